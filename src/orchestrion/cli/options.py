"""The options of every command that talks to a server: how to reach it, and how to print."""

from collections.abc import Callable, Iterator
from functools import partial, wraps
from typing import Concatenate, ParamSpec, TypeVar

import click

from orchestrion.cli import TYPED
from orchestrion.cli.printing import Printer, Shape
from orchestrion.cli.reaching import Reach, Session
from orchestrion.cli.steps import Typed

P = ParamSpec("P")
_Command = TypeVar("_Command", bound=Callable[..., object])

KEY_NAMES = ("--key", "--api-key")
_KEPT = "orchestrion.option."


def at_server(
    *key_names: str,
) -> Callable[[Callable[Concatenate[Session, P], None]], Callable[P, None]]:
    """Give a command these options and, as its first argument, a session.

    `key_names` are the spellings of the option for the key, where `--key` means another one.
    """

    def decorate(done: Callable[Concatenate[Session, P], None]) -> Callable[P, None]:
        @wraps(done)
        def run(*arguments: P.args, **values: P.kwargs) -> None:
            session = _session(click.get_current_context())
            with session.refusals():
                done(session, *arguments, **values)

        return _with_options(run, key_names or KEY_NAMES)

    return decorate


def is_common(option: click.Parameter) -> bool:
    """Tell whether an option is one of these."""
    return isinstance(option, click.Option) and option.callback is _keep


def _with_options(command: _Command, key_names: tuple[str, ...]) -> _Command:
    # Click lists options in the reverse of the order in which they are applied.
    for option in reversed(_options(key_names)):
        command = option(command)
    return command


def _options(key_names: tuple[str, ...]) -> list[Callable[[_Command], _Command]]:
    kept = partial(click.option, callback=_keep, expose_value=False)
    return [
        kept("--url", metavar="URL", help="The server. [ORCHESTRION_URL]"),
        kept(
            *key_names,
            "api_key",
            metavar="KEY",
            help="The API key. Others may see what is typed: better set the variable. "
            "[ORCHESTRION_API_KEY]",
        ),
        kept(
            "--profile",
            metavar="NAME",
            help="Server and key of ~/.config/orchestrion/config.toml. [ORCHESTRION_PROFILE]",
        ),
        kept("--json", "shape", flag_value="json", help="Print one JSON object."),
        kept("--jsonl", "shape", flag_value="jsonl", help="Print a JSON object on each line."),
        kept("-q", "--quiet", is_flag=True, help="Print no hints."),
        kept("--no-color", is_flag=True, help="Print without colours. [NO_COLOR]"),
    ]


def _keep(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
    # Two options share the name `shape`: the one that was not given says nothing.
    if value:
        ctx.meta[f"{_KEPT}{parameter.name}"] = value


def _session(ctx: click.Context) -> Session:
    shape = ctx.meta.get(_KEPT + "shape")
    printer = Printer(
        shape=Shape(shape) if shape else None,
        quiet=bool(ctx.meta.get(_KEPT + "quiet")),
        colour=not ctx.meta.get(_KEPT + "no_color"),
    )
    reach = Reach(**{name: ctx.meta.get(_KEPT + name) for name in ("url", "api_key", "profile")})
    typed = Typed(
        path=ctx.command_path, words=ctx.meta.get(TYPED, ()), reach=tuple(_repeated(reach))
    )
    return Session(printer, typed, reach)


def _repeated(reach: Reach) -> Iterator[str]:
    if reach.url:
        yield f"--url={reach.url}"
    if reach.profile:
        yield f"--profile={reach.profile}"
