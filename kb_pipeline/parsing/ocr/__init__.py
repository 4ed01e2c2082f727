"""Reading text from pictures of pages: scanned PDF pages, photos and image files.

Terms
  quad    the four corners of a piece of text in an image, clockwise from where the text begins at the top:
          an array (4, 2) of x, y in pixels.
  crop    the part of an image inside a quad, turned so that its text is horizontal.
  em      the font size of a piece of text, in pixels of its image.
"""
