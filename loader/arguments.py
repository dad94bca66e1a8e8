"""click parameter types of the command line's options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone

import click

from loader.durations import seconds_of

# All partitions for which a run reported a loss.
ALL = "all"


class Seconds(click.ParamType):  # type: ignore[type-arg]
    """``30s``, ``5m``, ``2h``, ``1d``, or a number of seconds."""

    name = "duration"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number of seconds; raises click's usage error if the text is no duration."""
        text = str(value)
        seconds = seconds_of(text if text[-1:].isalpha() else text + "s")
        if seconds is None:
            self.fail(f"{value!r} is no duration; write 30s, 5m or 2h.", param, ctx)
        return seconds


class Where(click.ParamType):  # type: ignore[type-arg]
    """A time (UTC unless it has a zone), ``earliest``, or offsets by partition (``0:120,1:99``)."""

    name = "time|earliest|offsets"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime | str | Mapping[int, int]:
        """The time, ``earliest``, or offsets by partition; raises click's usage error for any other
        text.
        """
        if value == "earliest":
            return value
        if re.fullmatch(r"\d+:\d+(,\d+:\d+)*", value):
            return {int(p): int(at) for p, _, at in (e.partition(":") for e in value.split(","))}
        try:
            moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            self.fail(
                f"{value!r} is neither earliest, nor a time (2026-01-31T12:00:00Z), nor offsets "
                "by partition (0:120,1:99).",
                param,
                ctx,
            )
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


class Lost(click.ParamType):  # type: ignore[type-arg]
    """``0:120-169``: partition, first and last offset (inclusive); ``0:120`` is one offset;
    ``--lost`` also takes ``all``.
    """

    name = "partition:first-last"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int, int] | str:
        """(partition, first, last), or ``all``; raises click's usage error for any other text."""
        if value == ALL and param is not None and param.name == "lost":
            return value
        match = re.fullmatch(r"(\d+):(\d+)(?:-(\d+))?", value)
        if match is None:
            self.fail(f"{value!r} is not like 0:120-169.", param, ctx)
        return int(match[1]), int(match[2]), int(match[3] or match[2])


class At(click.ParamType):  # type: ignore[type-arg]
    """``0:120``: partition and offset; or ``all``."""

    name = "partition:offset"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int] | str:
        """(partition, offset), or ``all``; raises click's usage error for any other text."""
        if value == ALL:
            return value
        match = re.fullmatch(r"(\d+):(\d+)", value)
        if match is None:
            self.fail(f"{value!r} is not like 0:120.", param, ctx)
        return int(match[1]), int(match[2])


class Gone(click.ParamType):  # type: ignore[type-arg]
    """``3``: a partition; or ``all``."""

    name = "partition"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """The partition, or ``all``; raises click's usage error for any other text."""
        if value != ALL and not str(value).isdecimal():
            self.fail(f"{value!r} is no partition.", param, ctx)
        return value if value == ALL else int(value)
