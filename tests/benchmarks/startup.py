"""Wall time of `streamsim --help`."""

from __future__ import annotations

from . import timing

REPEATS = 9


def main() -> None:
    command = timing.streamsim("--help")
    timing.process(command)  # writes the byte code
    found = timing.in_turns(
        {"help": lambda: timing.process(command).seconds}, timing.flags().repeats(REPEATS)
    )
    timing.line("streamsim --help", f"{found.median('help'):.3f} s", target="0.4 s")


if __name__ == "__main__":
    main()
