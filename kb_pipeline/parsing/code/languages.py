"""What the code reader knows of programming and configuration languages: comments, strings, nesting, definitions.

A language is described just well enough to find where its definitions begin and end. What a description gets
wrong makes a cut in a less good place; no text is ever lost by it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Nesting(Enum):
    """What says how deep a line stands."""

    BRACES = "braces"
    INDENTATION = "indentation"
    SECTIONS = "sections"  # [header] lines
    STATEMENTS = "statements"  # SQL
    TAGS = "tags"  # XML


@dataclass(frozen=True, slots=True)
class Language:
    """`definition`: matches the start of a definition's code, with a group `name` and, where what it opens holds
    further definitions, a group `container` that matched. `members`: the same, only inside a container.
    `is_data`: neighbouring small entries stay together.
    """

    name: str
    nesting: Nesting
    line_comments: tuple[str, ...] = ()
    block_comments: tuple[tuple[str, str], ...] = ()
    quotes: str = "\"'"
    long_quotes: tuple[str, ...] = ()
    definition: re.Pattern[str] | None = None
    members: re.Pattern[str] | None = None
    is_data: bool = False


_CONTAINER = (
    r"(?P<container>\b(?:class|interface|enum|record|struct|trait|namespace|module|object|extension|protocol|union|"
    r"contract|library|service|message|mixin|actor)\b)\s+(?:class\s+)?(?P<name>[\w.$:]+)"
)
_C_CONTAINER = _CONTAINER + r"(?=[^(;=]{0,500}\{)"  # not the type of what a function gives back
_IMPL = r"(?P<container>\bimpl\b)(?:\s*<[^{]{0,200}?>)?\s+(?:[\w:<>,' &]{1,200}?\s+for\s+)?(?P<name>\w+)"
_FUNCTION = (
    r"\b(?:func|fn|fun|def|function|sub|proc|rpc|macro_rules!)\b\s*[*&]?\s*(?:<[^>]{0,200}>\s*)?"
    r"(?P<name>[\w$][\w$.:-]*)"
)
_GO_METHOD = r"\bfunc\s*\(\s*\w*\s*\*?(?P<receiver>\w+)[^)]{0,100}\)\s*(?P<name>\w+)"
_TYPE = r"\b(?:type|typedef)\s+(?P<name>\w+)\b"
_ARROW = (
    r"^\W*(?:export\s+)?(?:default\s+)?(?:const|let|var)\s+(?P<name>[\w$]+)[^=(]{0,200}=\s*(?:async\b\s*)?"
    r"(?:function\b|class\b|\([^)]{0,500}\)[^={;]{0,200}=>|[\w$]+\s*=>)"
)
_KEYWORDS = r"(?!(?:if|for|while|switch|catch|return|else|do|using|lock|foreach|synchronized|new|throw|await|with)\b)"
# A name before a parenthesis, no `=` or `;` before it, and a body after it.
_BARE_FUNCTION = rf"^[^=;(]{{0,300}}?(?<![\w.]){_KEYWORDS}(?P<name>[\w$~#][\w$:~]*|operator\S{{1,3}})\s*\([^;]*[{{=]"


def _any(*patterns: str) -> re.Pattern[str]:
    """Alternatives that share group names are tried one by one, so each gets its own numbered copy."""
    renamed = [re.sub(r"\?P<(\w+)>", rf"?P<\g<1>_{index}>", pattern) for index, pattern in enumerate(patterns)]
    return re.compile("|".join(f"(?:{pattern})" for pattern in renamed), re.DOTALL)


def _c_like(name: str, definition: re.Pattern[str], members: re.Pattern[str] | None = None, **more: object) -> Language:
    return Language(
        name,
        Nesting.BRACES,
        line_comments=("//",),
        block_comments=(("/*", "*/"),),
        definition=definition,
        members=members,
        **more,  # type: ignore[arg-type]
    )


_BRACES = _any(_CONTAINER, _FUNCTION, _TYPE)
_WITH_BARE = _any(_CONTAINER, _BARE_FUNCTION)
_WITH_BARE_C = _any(_C_CONTAINER, _BARE_FUNCTION)
_SCRIPT = _any(_CONTAINER, _ARROW, _FUNCTION, _TYPE)
_BARE = _any(_CONTAINER, _FUNCTION, _BARE_FUNCTION)
_INDENTED = _any(
    r"^\s*(?:local\s+|private\s+|public\s+)*(?P<container>class|module|defmodule)\s+(?P<name>[\w.:]+)",
    r"^\s*(?:local\s+|private\s+|public\s+|async\s+|static\s+)*(?:def|defp|function|sub|proc|procedure|Sub|Function)\s+"
    r"(?:self\.)?(?P<name>[\w.:?!-]+)",
    r"^(?P<name>[\w:-]+)\s*\(\)",
    r"^(?P<name>[\w.]+)\s*(?:<-|=)\s*function\b",
)
_KEY = _any(
    r"^\s*-\s+[\"']?(?:name|id|key|hosts|title)[\"']?\s*:\s*(?P<container>)[\"']?(?P<name>[^\"'\n#{}]{1,80})",
    r"^\s*[\"']?(?P<name>[^\s\"'#:{}\[\]-][^\"'#:{}\[\]\n]{0,80}?)[\"']?(?P<container>)\s*:(?:\s|$)",
)
_JSON_KEY = _any(r"^\s*\"(?P<name>(?:[^\"\\\n]|\\.){1,80})\"(?P<container>)\s*:")
_SECTION = r"^\s*\[+\s*(?P<name>[^\]\n]{1,120}?)\s*\]"
_BLOCK = r"^\s*(?P<name>[\w@.#*:-][^{;\n]{0,100}?)(?P<container>)\s*\{"
_STYLE_RULE = _any(
    r"^\s*(?P<container>@(?:media|supports|layer))(?P<name>[^{]{0,100}?)\s*\{", r"^\s*(?P<name>[^{}@;]{1,100}?)\s*\{"
)
_SQL = _any(
    r"^\s*(?P<name>(?:create|alter|drop)\s+(?:or\s+replace\s+)?(?:\w+\s+){0,4}?(?:table|view|function|procedure|trigger|"
    r"index|sequence|schema|type|database|role|user|package(?:\s+body)?|event|policy|extension|domain|synonym)"
    r"\s+(?:if\s+(?:not\s+)?exists\s+|concurrently\s+|only\s+)*[\w.\"`\[\]#$@]+)",
    r"^\s*(?P<name>(?:insert\s+(?:ignore\s+)?into|replace\s+into|insert\s+overwrite\s+table|update|delete\s+from|"
    r"merge\s+into|truncate(?:\s+table)?|comment\s+on\s+\w+|grant\s+[\w ,]{1,60}\s+on(?:\s+\w+)?)\s+[\w.\"`\[\]#$@]+)",
)

_JAVA = _c_like("java", _WITH_BARE, _BARE, long_quotes=('"""',))
_C = _c_like("c", _WITH_BARE_C)
JAVASCRIPT = _c_like("javascript", _SCRIPT, _BARE, long_quotes=("`",))
_GO = _c_like("go", _any(_GO_METHOD, _FUNCTION, _TYPE), long_quotes=("`",))
_HASH = ("#",)
_SHELL = Language("shell", Nesting.INDENTATION, line_comments=_HASH, definition=_INDENTED)
_RUBY = Language(
    "ruby", Nesting.INDENTATION, line_comments=_HASH, block_comments=(("=begin", "=end"),), definition=_INDENTED
)
_YAML = Language("yaml", Nesting.INDENTATION, line_comments=_HASH, quotes="", definition=_KEY, is_data=True)
_INI = Language("ini", Nesting.SECTIONS, line_comments=("#", ";"), quotes="", definition=_any(_SECTION), is_data=True)
_CONF = Language("configuration", Nesting.BRACES, line_comments=_HASH, definition=_any(_SECTION, _BLOCK), is_data=True)
CSS = Language("css", Nesting.BRACES, block_comments=(("/*", "*/"),), definition=_STYLE_RULE, is_data=True)

PYTHON = Language(
    "python",
    Nesting.INDENTATION,
    line_comments=_HASH,
    long_quotes=('"""', "'''"),
    definition=_any(
        r"^\s*(?P<container>class)\s+(?P<name>\w+)",
        r"^\s*(?:async\s+)?def\s+(?P<name>\w+)",
    ),
)
JSON = Language("json", Nesting.BRACES, line_comments=("//",), quotes='"', definition=_JSON_KEY, is_data=True)
XML = Language("xml", Nesting.TAGS, block_comments=(("<!--", "-->"),), quotes="", is_data=True)
SQL = Language(
    "sql",
    Nesting.STATEMENTS,
    line_comments=("--",),
    block_comments=(("/*", "*/"),),
    quotes='"`',
    definition=re.compile(_SQL.pattern, re.IGNORECASE | re.DOTALL | re.MULTILINE),
)

LANGUAGES: dict[str, Language] = {
    **dict.fromkeys((".py", ".pyi", ".pyw"), PYTHON),
    **dict.fromkeys((".sql", ".ddl", ".dml", ".hql", ".pls", ".plsql", ".pks", ".pkb", ".prc", ".psql"), SQL),
    **dict.fromkeys((".java",), _JAVA),
    **dict.fromkeys((".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".mts", ".cts", ".vue", ".svelte"), JAVASCRIPT),
    ".go": _GO,
    **dict.fromkeys((".c", ".h"), _C),
    **dict.fromkeys(
        (".cpp", ".cc", ".cxx", ".hpp", ".hh", ".hxx", ".cu", ".cuh", ".ino", ".m", ".mm"), _c_like("c++", _WITH_BARE_C)
    ),
    ".cs": _c_like("c#", _WITH_BARE, _BARE, long_quotes=('"""',)),
    ".dart": _c_like("dart", _WITH_BARE, _BARE),
    **dict.fromkeys((".groovy", ".gradle"), _c_like("groovy", _BARE, _BARE, long_quotes=("'''", '"""'))),
    ".rs": _c_like("rust", _any(_IMPL, _CONTAINER, _FUNCTION, _TYPE), quotes='"'),
    ".php": _c_like("php", _BRACES),
    **dict.fromkeys((".kt", ".kts"), _c_like("kotlin", _BRACES, long_quotes=('"""',))),
    **dict.fromkeys((".scala", ".sc"), _c_like("scala", _BRACES, long_quotes=('"""',))),
    ".swift": _c_like("swift", _BRACES, long_quotes=('"""',)),
    **dict.fromkeys((".proto", ".thrift", ".graphql", ".gql", ".sol"), _c_like("interface definition", _BRACES)),
    **dict.fromkeys((".rb", ".rake", ".gemspec"), _RUBY),
    **dict.fromkeys((".sh", ".bash", ".zsh", ".ksh"), _SHELL),
    **dict.fromkeys((".pl", ".pm"), Language("perl", Nesting.BRACES, line_comments=_HASH, definition=_BRACES)),
    **dict.fromkeys(
        (".ps1", ".psm1", ".psd1"),
        Language("powershell", Nesting.BRACES, line_comments=_HASH, block_comments=(("<#", "#>"),), definition=_BRACES),
    ),
    **dict.fromkeys((".r",), Language("r", Nesting.BRACES, line_comments=_HASH, definition=_INDENTED)),
    **dict.fromkeys(
        (".lua",),
        Language(
            "lua", Nesting.INDENTATION, line_comments=("--",), block_comments=(("--[[", "]]"),), definition=_INDENTED
        ),
    ),
    **dict.fromkeys(
        (".ex", ".exs", ".jl", ".nim", ".cr", ".tcl"),
        Language("script", Nesting.INDENTATION, line_comments=_HASH, long_quotes=('"""',), definition=_INDENTED),
    ),
    **dict.fromkeys(
        (".vb", ".vbs", ".bas", ".vba"),
        Language("basic", Nesting.INDENTATION, line_comments=("'",), quotes='"', definition=_INDENTED),
    ),
    **dict.fromkeys(
        (".bat", ".cmd"), Language("batch", Nesting.INDENTATION, line_comments=("rem ", "REM ", "::"), quotes="")
    ),
    **dict.fromkeys(
        (
            ".hs",
            ".elm",
            ".ml",
            ".fs",
            ".clj",
            ".lisp",
            ".el",
            ".f90",
            ".f",
            ".pas",
            ".cob",
            ".cbl",
            ".asm",
            ".s",
            ".tex",
        ),
        Language("source", Nesting.INDENTATION, quotes="", definition=_INDENTED),
    ),
    **dict.fromkeys((".json", ".json5", ".jsonc", ".geojson", ".jsonl", ".ndjson"), JSON),
    **dict.fromkeys((".yaml", ".yml"), _YAML),
    **dict.fromkeys(
        (".toml", ".ini", ".cfg", ".properties", ".env", ".editorconfig", ".reg", ".desktop", ".service"), _INI
    ),
    **dict.fromkeys((".conf", ".tf", ".tfvars", ".hcl", ".nginx"), _CONF),
    **dict.fromkeys(
        (".xml", ".xsl", ".xslt", ".xsd", ".wsdl", ".plist", ".pom", ".csproj", ".config", ".resx", ".dtd"), XML
    ),
    **dict.fromkeys((".css", ".scss", ".less", ".sass"), CSS),
    **dict.fromkeys(
        (".dockerfile", ".makefile", ".mk", ".cmake"),
        Language("build", Nesting.INDENTATION, line_comments=_HASH, quotes=""),
    ),
}
# Files that go by a whole name.
NAMED = {
    "dockerfile": LANGUAGES[".dockerfile"],
    "makefile": LANGUAGES[".makefile"],
    "cmakelists.txt": LANGUAGES[".cmake"],
    "jenkinsfile": LANGUAGES[".groovy"],
    "gemfile": _RUBY,
    "rakefile": _RUBY,
    "vagrantfile": _RUBY,
}


def language_of_file(name: str) -> Language | None:
    """The language of a file by its name; None where it is none of these."""
    lower = name.lower().rpartition("/")[2]
    dot = lower.rfind(".")
    return NAMED.get(lower) or (LANGUAGES.get(lower[dot:]) if dot >= 0 else None)


_FENCE_NAMES = {language.name: language for language in LANGUAGES.values()} | {
    name.removeprefix("."): language for name, language in LANGUAGES.items()
}


def language_of_fence(name: str) -> Language | None:
    """The language that a document calls by its name or by the end of its files' names."""
    lower = name.lower()
    return _FENCE_NAMES.get(lower) or NAMED.get(lower)


def definition_name(match: re.Match[str]) -> tuple[str, bool]:
    """The name that a definition pattern found, and whether it opens a container."""
    groups = match.groupdict()
    name = next(value for key, value in groups.items() if key.startswith("name_") and value is not None)
    receiver = next((value for key, value in groups.items() if key.startswith("receiver_") and value), "")
    container = any(value is not None for key, value in groups.items() if key.startswith("container_"))
    return (f"{receiver}.{name}" if receiver else name), container
