"""XML of RNA Framework: transcripts with a sequence and a reactivity for each base."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.parsers import expat

from rnaformer_cli.errors import ProbingError
from rnaformer_cli.limits import MAX_LINE, MAX_REACTIVITIES
from rnaformer_cli.probing.profile import (
    ProbingProfile,
    ProfileBuilder,
    count_values,
    one_word,
    parse_letters,
    parse_value,
    with_location,
)

_TEXTS = ("sequence", "reactivity")
_BLOCK = 1 << 16  # letters passed to the parser in one call; a longer line is passed whole
_MAX_MARKUP = 1_000_000  # bytes of a tag or comment that is longer than a block


def read_xml(lines: Iterable[str]) -> Iterator[ProbingProfile | ProbingError]:
    """Yield the profile of each `<transcript>`, or an error.

    NaN is missing. Elements other than `<sequence>` and `<reactivity>` are ignored.

    Raises:
        ProbingError: text that is not XML, has a document type (whose entities could exhaust the
            memory), or has no transcript.
    """
    reader = _Reader()
    is_empty = True
    for block in _blocks(lines):
        failure = reader.parse(block)
        is_empty = is_empty and not reader.found
        yield from reader.found
        reader.found.clear()
        if failure is not None:
            raise failure
    if is_empty:
        raise ProbingError("no <transcript>; expected XML as RNA Framework writes it")


def _blocks(lines: Iterable[str]) -> Iterator[str]:
    """The text in blocks of whole lines, and "" at the end.

    Blocks are large, because on each call the parser rescans an incomplete tag or comment.
    """
    block: list[str] = []
    size = 0
    for line in lines:
        block.append(f"{line}\n")
        size += len(line) + 1
        if size >= _BLOCK:
            yield "".join(block)
            block, size = [], 0
    if block:
        yield "".join(block)
    yield ""


class _Reader:
    """The state of the parser: the current transcript and the complete ones."""

    def __init__(self) -> None:
        self.found: list[ProbingProfile | ProbingError] = []
        self.parser = expat.ParserCreate(
            "utf-8"
        )  # the encoding of the lines; the declaration in the file is ignored
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._name: str | None = None  # of the transcript
        self._line = 0  # of the current element
        self._element = ""
        self._texts: dict[str, list[str]] = {}
        self._n_letters = 0
        self._n_values = 0
        self._n_bytes = 0  # of the text so far

    def parse(self, block: str) -> ProbingError | None:
        """Parse a block, "" at the end; return the error if parsing cannot continue."""
        try:
            self.parser.Parse(block, not block)
            self._n_bytes += len(block.encode())
            if block and self._n_bytes - self.parser.CurrentByteIndex > _MAX_MARKUP:
                message = f"a tag or comment of more than {_MAX_MARKUP:,} bytes (the limit)"
                return ProbingError(message, line=self.parser.CurrentLineNumber)
        except expat.ExpatError as error:
            return ProbingError(f"not XML: {expat.ErrorString(error.code)}", line=error.lineno)
        except ProbingError as error:
            return error
        return None

    def _refuse_doctype(self, *_: object) -> None:
        message = "document types (DOCTYPE) are not supported"
        raise ProbingError(message, line=self.parser.CurrentLineNumber)

    def _start(self, element: str, attributes: dict[str, str]) -> None:
        line = self.parser.CurrentLineNumber
        if element == "transcript":
            name = one_word(attributes.get("id", ""))
            if self._name is not None or not name:
                what = (
                    "a <transcript> inside another"
                    if self._name
                    else "a <transcript> without an id"
                )
                raise ProbingError(what, line=line)
            self._name, self._texts, self._line, self._n_letters = name, {}, line, 0
        elif element in _TEXTS and self._name is not None:
            if element in self._texts:
                message = f"duplicate <{element}>"
                raise ProbingError(message, line=line, record=self._name)
            self._element, self._texts[element] = element, []
            if element == "reactivity":
                self._line = line

    def _text(self, text: str) -> None:
        if self._element:
            self._n_letters += len(text)
            if self._n_letters > MAX_LINE:
                message = f"more than {MAX_LINE:,} letters (the limit per transcript)"
                raise ProbingError(message, line=self._line, record=self._name)
            self._texts[self._element].append(text)

    def _end(self, element: str) -> None:
        if element == self._element:
            self._element = ""
        if element == "transcript" and self._name is not None:
            name, self._name = self._name, None
            try:
                self.found.append(self._profile(name))
            except ProbingError as error:
                if error.location.line is not None:  # the file has too many values: reading ends
                    raise
                self.found.append(with_location(error, self._line, name))

    def _profile(self, name: str) -> ProbingProfile:
        if "reactivity" not in self._texts:
            raise ProbingError("no <reactivity>")
        letters = "".join("".join(self._texts.get("sequence", [])).split())
        sequence = parse_letters(letters) if letters else None
        text = "".join("".join(self._texts["reactivity"]).split()).rstrip(",")
        values = text.split(",") if text else []
        count = count_values(self._n_values, len(values), MAX_REACTIVITIES, self._line)
        self._n_values = count
        if sequence is not None and len(sequence) != len(values):
            raise ProbingError(f"{len(values)} reactivities for {len(sequence)} bases")
        builder = ProfileBuilder(name)
        for position, value in enumerate(values, start=1):
            builder.add(position, parse_value(value, position), self._line)
        return builder.build(sequence, len(values))
