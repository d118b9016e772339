"""Check the pickle of a state dict before PyTorch loads it.

torch.load with weights_only executes no code, but a small pickle can still allocate gigabytes or
take hours: with a type that takes a size (bytearray), with one list passed to OrderedDict many
times, or with nested tuples as keys, which are slow to hash. This module interprets a pickle
without creating its objects, and accepts only what PyTorch writes for a state dict.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from rnaformer_cli.limits import MAX_PICKLE_STEPS

_DICTIONARY = "collections OrderedDict"
_STORAGE = re.compile(r"torch \w+Storage")
_TENSORS = frozenset({"torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter"})


class _Made:
    """A placeholder for an object that the pickle would create."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


def check_pickle(file: BinaryIO, sizes: dict[str, int]) -> None:
    """Read one pickle and add to `sizes` the declared number of elements of each storage, by key.

    Raises:
        ValueError: a name, an instruction or a call that is not part of a state dict of tensors,
            or more than MAX_PICKLE_STEPS instructions.
    """
    follower = _Follower(sizes)
    try:
        for steps, (operation, argument, _) in enumerate(pickletools.genops(file)):
            if steps > MAX_PICKLE_STEPS:
                raise ValueError("too many pickle instructions")
            follower.follow(operation.name, argument)
    except (LookupError, TypeError) as error:
        raise ValueError("a damaged pickle") from error


class _Follower:
    """The stack of a pickle machine, with placeholders for objects."""

    def __init__(self, sizes: dict[str, int]) -> None:
        self._sizes = sizes
        self._stack: list[Any] = []
        self._outer: list[list[Any]] = []  # stacks below the open marks
        self._memo: dict[int, Any] = {}

    def follow(self, name: str, argument: Any) -> None:
        """Interpret one instruction."""
        if name in _VALUES:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _MADE:
            self._stack.append(_Made(_MADE[name]))
        elif name in _SHORT_TUPLES:
            self._stack[-_SHORT_TUPLES[name] :] = [tuple(self._pop(_SHORT_TUPLES[name]))]
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name not in ("PROTO", "STOP"):
            raise ValueError(f"instruction {name}")

    def _pop(self, count: int) -> list[Any]:
        """The top values of the stack, which stay on it.

        Raises:
            IndexError: fewer values on the stack.
        """
        if len(self._stack) < count:
            raise IndexError(count)
        return self._stack[-count:]

    def remember(self, argument: int) -> None:
        """Store the top value under a number."""
        self._memo[argument] = self._stack[-1]

    def recall(self, argument: int) -> None:
        """Push the value of a number."""
        self._stack.append(self._memo[argument])

    def mark(self, _: Any) -> None:
        """Begin a list of values."""
        self._outer.append(self._stack)
        self._stack = []

    def _since_mark(self) -> list[Any]:
        values, self._stack = self._stack, self._outer.pop()
        return values

    def tuple_of_many(self, _: Any) -> None:
        """Replace the values since the mark by a tuple."""
        values = tuple(self._since_mark())
        self._stack.append(values)

    def take_name(self, argument: str) -> None:
        """Push a global name, which must be one that state dicts use."""
        is_allowed = argument == _DICTIONARY or argument in _TENSORS or _STORAGE.fullmatch(argument)
        if not is_allowed:
            raise ValueError(f"name {argument}")
        self._stack.append(_Made(argument))

    def call(self, _: Any) -> None:
        """Call a function that creates an empty dictionary or a tensor."""
        arguments, function = self._stack.pop(), self._stack.pop()
        if _kind(function) == _DICTIONARY and arguments == ():
            self._stack.append(_Made("dict"))
        elif _kind(function) in _TENSORS and isinstance(arguments, tuple):
            self._stack.append(_Made("tensor"))
        else:
            raise ValueError("a call that does not create a tensor")

    def put_items(self, _: Any) -> None:
        """Add the keys and values since the mark to the dictionary below them."""
        values = self._since_mark()
        self._put(values[0::2])

    def put_item(self, _: Any) -> None:
        """Add a key and its value to the dictionary below them."""
        key, _value = self._pop(2)
        del self._stack[-2:]
        self._put([key])

    def _put(self, keys: list[Any]) -> None:
        is_plain = all(type(key) in (str, int) for key in keys)
        if _kind(self._stack[-1]) != "dict" or not is_plain:
            raise ValueError("a key that is not a tensor name or a number")

    def append(self, _: Any) -> None:
        """Append the top value to the list below it."""
        self._stack.pop()
        self._check_list()

    def extend(self, _: Any) -> None:
        """Append the values since the mark to the list below them."""
        self._since_mark()
        self._check_list()

    def _check_list(self) -> None:
        if _kind(self._stack[-1]) != "list":
            raise ValueError("append to an object that is not a list")

    def build(self, _: Any) -> None:
        """Set attributes of a dictionary: a state dict stores versions in them."""
        state = self._stack.pop()
        if _kind(self._stack[-1]) != "dict" or _kind(state) != "dict":
            raise ValueError("attributes of an object that is not a dictionary")

    def store(self, _: Any) -> None:
        """Push a storage, from a tuple of tag, type, key, device and number of elements.

        Keys must be numbers, as in PyTorch: different paths could name the same archive member.
        """
        what, kind, key, _device, size = self._stack.pop()[:5]
        is_storage = what == "storage" and _STORAGE.fullmatch(_kind(kind))
        if not is_storage or type(size) is not int or size < 0:
            raise ValueError("no storage")
        if not isinstance(key, str) or not (key.isascii() and key.isdigit()):
            raise ValueError("the key of a storage is not a number")
        self._sizes[key] = max(size, self._sizes.get(key, 0))
        self._stack.append(_Made("storage"))


def _kind(value: Any) -> str:
    return value.kind if isinstance(value, _Made) else ""


_VALUES = frozenset(["BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"])
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_MADE = {"EMPTY_DICT": "dict", "EMPTY_LIST": "list"}
_SHORT_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_STEPS: Mapping[str, Callable[[_Follower, Any], None]] = {
    "BINPUT": _Follower.remember,
    "LONG_BINPUT": _Follower.remember,
    "BINGET": _Follower.recall,
    "LONG_BINGET": _Follower.recall,
    "MARK": _Follower.mark,
    "TUPLE": _Follower.tuple_of_many,
    "GLOBAL": _Follower.take_name,
    "REDUCE": _Follower.call,
    "SETITEM": _Follower.put_item,
    "SETITEMS": _Follower.put_items,
    "APPEND": _Follower.append,
    "APPENDS": _Follower.extend,
    "BUILD": _Follower.build,
    "BINPERSID": _Follower.store,
}
