"""Makes `sample_docs/`: the documents of Linden River Bank (林江银行), a bank that does not exist.

    python -m scripts.sample_docs            writes sample_docs/ anew; same input, same bytes

Each file under `content/` is one document: TOML front matter between `+++` lines, then text in the small
mark-up that `markup.py` defines. The file `content/contracts/x.pdf.md` becomes `sample_docs/contracts/x.pdf`:
the inner extension decides who renders it. Needs reportlab, python-docx, openpyxl and python-pptx.

People, companies and figures are invented, and their identifiers cannot belong to anyone: resident IDs have a
right check digit but a sequence number (996 to 999) that is only given to people older than 100, mobile numbers
have the unassigned block 0000 after the prefix, bank cards use the unassigned issuer number 629999, and e-mail
addresses are under example.com, example.net and example.org.

Chinese PDF files embed a subset of WenQuanYi Micro Hei, used under the Apache License 2.0.
"""
