"""Source and configuration files: cut at definitions, word for word."""

from __future__ import annotations

import json

import pytest

from kb_pipeline.errors import UnsupportedFormat
from kb_pipeline.parsing.code.reader import read_code
from kb_pipeline.parsing.document import clean_document
from kb_pipeline.parsing.parsed import ParsedDocument

PYTHON = '''"""Loads things."""
import re

# Finds 订单号.
ORDER = re.compile(r"[A-Z]{2}\\d{6}")


class Loader:
    """Loads from a folder."""

    def __init__(self, path):
        self.path = path

    # The hot path.
    @property
    def read(self):
        return self.path

def main():
    pass
'''
JAVA = """package com.acme;

/** 订单服务 */
@Service
public class OrderService {
    private final String open = "{";

    /** Finds. */
    @Override
    public Order find(
            long id) throws IOException {
        if (id > 0) { return null; } // }
        return repo.find(id);
    }
}
"""
TYPESCRIPT = """// Adds.
export async function add(a: number): Promise<number> {
  return a + 1;
}

const mul = (a: number) => {
  return `
}`;
};

export class Cart {
  get total(): number {
    return 1;
  }
}
"""
GO = "package main\n\n// Hello greets.\nfunc (u *User) Hello() string {\n\treturn u.Name\n}\n"
C = "struct point *\nmake(int a,\n     int b)\n{\n    return 0;\n}\n\nint main(void) {\n    return 0;\n}\n"
RUBY = 'module Shop\n  class Cart\n    # adds\n    def add(item)\n      @items << "end"\n    end\n  end\nend\n'
SHELL = "#!/bin/bash\nset -e\n\n# 备份\nbackup() {\n  pg_dump x\n}\n"
SQL = r"""-- 用户表
CREATE TABLE IF NOT EXISTS users (
  id int, -- 主键; id
  name text DEFAULT 'a;b'
);
SELECT * FROM users WHERE name ~ '^[a-z]+;$';

CREATE OR REPLACE FUNCTION total() RETURNS int AS $$
BEGIN
  RETURN 1;
END;
$$ LANGUAGE plpgsql;
CREATE PROCEDURE touch(IN x INT)
BEGIN
  DECLARE y INT;
  IF x > 0 THEN
    UPDATE users SET name = 'it\'s';
  END IF;
END;
-- name: find_user
SELECT 1
"""


def paths(name: str, text: str) -> list[tuple[str, ...]]:
    return [element.section_path for element in read_code(text.encode(), name=name).elements]


def shown(document: ParsedDocument) -> str:
    return "".join("".join(element.text.split()) for element in document.elements)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.py", PYTHON, [(), ("Loader",), ("Loader", "Loader.__init__"), ("Loader", "Loader.read"), ("main",)]),
        ("a.java", JAVA, [(), ("OrderService",), ("OrderService", "OrderService.find")]),
        ("a.ts", TYPESCRIPT, [("add",), ("mul",), ("Cart", "Cart.total")]),
        ("a.go", GO, [(), ("User.Hello",)]),
        ("a.c", C, [("make",), ("main",)]),
        ("a.rb", RUBY, [("Shop", "Shop.Cart", "Shop.Cart.add")]),
        ("a.sh", SHELL, [(), ("backup",)]),
        (
            "a.sql",
            SQL,
            [("CREATE TABLE users",), (), ("CREATE FUNCTION total",), ("CREATE PROCEDURE touch",), ("find_user",)],
        ),
        ("old.py", 'print "x"\n\ndef top(a):\n    pass\n', [(), ("top",)]),
    ],
)
def test_a_definition_is_a_snippet_under_its_name(name: str, text: str, expected: list[tuple[str, ...]]) -> None:
    assert paths(name, text) == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.py", PYTHON), ("a.java", JAVA), ("a.ts", TYPESCRIPT), ("a.sql", SQL), ("a.rb", RUBY), ("a.c", C)],
)
def test_every_character_is_in_one_snippet(name: str, text: str) -> None:
    document = read_code(text.encode(), name=name)
    assert shown(document) == "".join(text.split())
    assert document.source_characters == len(shown(document))


def test_comments_and_decorators_stay_with_their_definition() -> None:
    elements = read_code(PYTHON.encode(), name="a.py").elements
    assert elements[3].text.startswith("    # The hot path.\n    @property\n    def read")
    assert read_code(JAVA.encode(), name="a.java").elements[1].text.startswith("/** 订单服务 */\n@Service")


def test_layout_survives_cleaning() -> None:
    document = clean_document(read_code(GO.encode(), name="a.go"))
    assert document.elements[1].text == "// Hello greets.\nfunc (u *User) Hello() string {\n\treturn u.Name\n}"
    assert document.elements[1].section_path == ("User.Hello",)
    assert document.coverage == 1


def test_a_declared_encoding_is_believed() -> None:
    text = "# -*- coding: gbk -*-\n# 中文注释：计算\ndef f(x):\n    return x\n"
    document = read_code(text.encode("gb18030"), name="a.py")
    assert "中文注释：计算" in document.elements[0].text


def test_a_long_definition_is_cut_at_blank_lines() -> None:
    body = "".join(f"    x{i} = {i}  # {'.' * 40}\n" + ("\n" if i % 10 == 9 else "") for i in range(100))
    elements = read_code(f"def f():\n{body}".encode(), name="a.py").elements
    assert {element.section_path for element in elements} == {("f",)}
    assert len(elements) > 3
    assert all(len(element.text) <= 1500 for element in elements)
    assert all(element.text.splitlines()[-1].split("=")[0].strip().endswith("9") for element in elements)


def test_large_keys_of_a_configuration_are_sections_and_small_ones_stay_together() -> None:
    many = "".join(f"    option_{i}: value number {i}\n" for i in range(80))
    text = f"version: 3\nname: x\nservices:\n  web:\n{many}  db:\n{many}"
    found = paths("a.yaml", text)
    assert found[0] == ()
    assert ("services", "services.web") in found
    assert ("services", "services.db") in found


def test_json_in_one_line_becomes_readable_and_keeps_its_values() -> None:
    value = {"name": "x", "items": [{"id": i, "text": "中文内容"} for i in range(300)]}
    document = read_code(json.dumps(value).encode(), name="a.json")
    text = "\n".join(element.text for element in document.elements)
    assert json.loads(text) == value
    assert '"text": "中文内容"' in text


@pytest.mark.parametrize("name", ["a.js", "a.css"])
def test_minified_code_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedFormat, match="minified"):
        read_code(b"var a=1;function b(){return a}" * 500, name=name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.js", "{\n" * 20_000),
        ("a.js", "`" + "${\n" * 20_000),
        ("a.sql", "'" * 40_001),
        ("a.sql", "/*" * 20_000),
        ("a.xml", "<a " * 20_000),
        ("a.xml", "<a>\n" * 5_000),
        ("a.py", "(" * 20_000),
        ("a.yaml", "".join(" " * i + "a:\n" for i in range(300))),
        ("a.c", "#if x\n{\n" * 5_000),
        ("a.json", "[" * 20_000),
    ],
)
def test_damaged_code_is_kept_whole(name: str, text: str) -> None:
    assert shown(read_code(text.encode(), name=name)) == "".join(text.split())
