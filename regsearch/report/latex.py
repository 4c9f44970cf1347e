"""A table for a paper: ``tabular`` with the rules of the booktabs package."""

from __future__ import annotations

from itertools import accumulate

import pandas as pd

from regsearch.report._base import Entry, Table

_BOLD, _PLAIN = "\ue000", "\ue001"  # of no text, and so not escaped
_COMMANDS = {
    _BOLD: r"\textbf{",
    _PLAIN: "}",
    "±": r"$\pm$",
    "−": "$-$",  # noqa: RUF001
    "–": "--",  # noqa: RUF001
    "…": r"\ldots{}",
    "\N{NO-BREAK SPACE}": "~",
}


def to_latex(table: Table) -> str:
    r"""``table`` as LaTeX for ``\input``; a row that heads others is set in its first column."""
    width = len(table.header)
    texts = [[*map(_text, row), *[""] * (width - len(row))] for row in table.rows]
    styled = pd.DataFrame(texts, columns=_columns(table)).style.hide(axis="index")
    styled = styled.format(escape="latex").format_index(escape="latex", axis="columns")
    drawn: str = styled.to_latex(hrules=True, column_format="l" * width, multicol_align="c")
    if table.groups:
        titles, rest = drawn.split("\\\\\n", 1)
        drawn = f"{titles}\\\\\n{_rules(table)}\n{rest}"
    for sign, command in _COMMANDS.items():
        drawn = drawn.replace(sign, command)
    return f"% needs \\usepackage{{booktabs}}\n{drawn}"


def _text(entry: Entry) -> str:
    text = f"{_BOLD}{entry.text}{_PLAIN}" if entry.strong else entry.text
    return f"{text} ({entry.note})" if entry.note else text


def _rules(table: Table) -> str:
    """A line below the title of each group of columns."""
    ends = list(accumulate(width for _, width in table.groups))
    return " ".join(
        rf"\cmidrule(lr){{{end - width + 1}-{end}}}"
        for (title, width), end in zip(table.groups, ends, strict=True)
        if title
    )


def _columns(table: Table) -> pd.Index[str] | pd.MultiIndex:
    """The header; below the titles of groups of columns where there are any."""
    if not table.groups:
        return pd.Index(table.header)
    titles = [title for title, width in table.groups for _ in range(width)]
    return pd.MultiIndex.from_arrays([titles, table.header])
