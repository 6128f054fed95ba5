"""From a row of a data set to what a model reads: text, or the turns of a conversation.

Fields are those that data sets usually have: `messages` (role and content) or `conversations` (from and
value), `text`, `content`, `instruction` with `input` and `output`, `question` and `answer`, `prompt` and
`completion`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pruning.errors import PruningError

CHATS = ("messages", "conversations", "conversation")
TEXTS = ("text", "content")
# What is asked, what is added to it, and what is answered.
ASKED = (
    ("instruction", "input", "output"),
    ("instruction", "input", "response"),
    ("question", "", "answer"),
)
CONTINUED = (("prompt", "completion"), ("prompt", "response"))
KNOWN = (
    "messages or conversations, text, content, instruction and output, question and answer, "
    "prompt and completion"
)
ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}
Turn = dict[str, str]


@dataclass(frozen=True)
class Document:
    """One text: either `text` or `turns`, each with a role and a content; `fields` it was taken from."""

    text: str = ""
    turns: tuple[Turn, ...] = ()
    fields: str = ""

    @property
    def words(self) -> str:
        """Everything that is said in it, without white space that makes no difference."""
        said = " ".join(turn["content"] for turn in self.turns) if self.turns else self.text
        return " ".join(said.split())


def document_of(row: Any, columns: Sequence[str] = ()) -> Document | None:
    """The text of a row; None where there is none in the fields that are looked in.

    Raises
    ------
    PruningError
        A column that was named is not there.
    """
    if isinstance(row, str):
        return Document(row)
    if not isinstance(row, Mapping):
        return None
    if columns:
        return _named(row, columns)
    for name in CHATS:
        turns = _turns(row.get(name))
        if turns:
            return Document(turns=turns, fields=name)
    for name in TEXTS:
        if isinstance(row.get(name), str):
            return Document(row[name], fields=name)
    return _asked(row) or _continued(row)


def _named(row: Mapping[str, Any], columns: Sequence[str]) -> Document | None:
    missing = next((name for name in columns if name not in row), None)
    if missing is not None:
        raise PruningError(f"There is no column {missing}; there are {_names(row)}.")
    fields = " + ".join(columns)
    if len(columns) == 1 and (turns := _turns(row[columns[0]])):
        return Document(turns=turns, fields=fields)
    values = [row[name] for name in columns]
    texts = [str(value) for value in values if isinstance(value, str | int | float) and str(value).strip()]
    return Document("\n\n".join(texts), fields=fields) if texts else None


def _asked(row: Mapping[str, Any]) -> Document | None:
    """A question or task and its answer, as two turns."""
    for task, added, answer in ASKED:
        if isinstance(row.get(task), str) and isinstance(row.get(answer), str):
            extra = row.get(added)
            more = f"\n\n{extra}" if isinstance(extra, str) and extra.strip() else ""
            turns = (
                {"role": "user", "content": row[task] + more},
                {"role": "assistant", "content": row[answer]},
            )
            names = [task, *([added] if more else []), answer]
            return Document(turns=turns, fields=" + ".join(names))
    return None


def _continued(row: Mapping[str, Any]) -> Document | None:
    """A beginning and how it goes on: one text, or the turns of a conversation."""
    for beginning, rest in CONTINUED:
        first, second, fields = row.get(beginning), row.get(rest), f"{beginning} + {rest}"
        if isinstance(first, str) and isinstance(second, str):
            seam = "" if first[-1:].isspace() or second[:1].isspace() or not first else " "
            return Document(first + seam + second, fields=fields)
        if (asked := _turns(first)) and (answered := _turns(second)):
            return Document(turns=asked + answered, fields=fields)
    return None


def _turns(value: Any) -> tuple[Turn, ...]:
    """The turns of a conversation with something said in them; empty where it is none."""
    if not isinstance(value, list | tuple) or not value:
        return ()
    turns = []
    for item in value:
        if not isinstance(item, Mapping):
            return ()
        role = item.get("role", item.get("from"))
        content = _said(item.get("content", item.get("value")))
        if not isinstance(role, str):
            return ()
        if content:
            turns.append({"role": ROLES.get(role, role), "content": content})
    return tuple(turns)


def _said(content: Any) -> str:
    """The words of a turn; of one in parts, such as pictures, those that are text."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, Mapping)]
        return "\n".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def _names(row: Mapping[str, Any]) -> str:
    return ", ".join(map(str, row)) or "none"


def no_known_field(place: str, row: Any) -> PruningError:
    """What to say of data none of whose rows has a field that is looked in."""
    there = (
        f"it has {_names(row)}" if isinstance(row, Mapping) else "its rows have no names for what is in them"
    )
    example = next(iter(map(str, row)), "column") if isinstance(row, Mapping) else "column"
    return PruningError(
        f"{place} has none of the fields that are looked for ({KNOWN}); {there}. Name the one with the text, "
        f"like {place}#{example}."
    )
