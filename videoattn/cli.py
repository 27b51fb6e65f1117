"""The command line, `videoattn reproduce | audit | data | bench | runs`: it parses and calls, the work is elsewhere.

What a command needs is imported when it is called, so that help and a wrong value answer at once.
"""

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence

from videoattn.engine.parameters import NAMES, PARAMETERS, Parameters, check, split_init
from videoattn.errors import InputError, RunError, unknown
from videoattn.papers import PAPERS, check_paper, data_sets


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code: 0, 1 where the work failed, 2 where an argument is wrong, 130 after Ctrl-C."""
    signal.signal(signal.SIGTERM, _stop)
    options = _parser().parse_args(arguments)
    try:
        options.work(options)
        sys.stdout.flush()
    except (InputError, RunError) as error:
        print(f"videoattn: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except KeyboardInterrupt as stop:
        return 128 + (stop.args[0] if stop.args else signal.SIGINT)
    except BrokenPipeError:  # as in `videoattn audit cma | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    return 0


def read_parameters(arguments: Sequence[str], environment: Mapping[str, str]) -> Parameters:
    """The parameters of arguments such as `PAPER=cma`; of a name alone, `environment` holds the value.

    A relative DATA or INIT is looked for in the current folder, then in the one that CALLED_FROM names there.

    Raises:
        InputError: a name or a value is wrong; the message lists what would be right.
    """
    values = {"PROFILE": "auto"}
    for argument in arguments:
        name, given, value = f"PAPER={argument}".partition("=") if argument in PAPERS else argument.partition("=")
        if name not in ("PAPER", *NAMES):
            raise unknown("parameter", name, ("PAPER", *NAMES))
        if not given and name not in environment:
            raise InputError(f"{name} has no value: give {name}=...")
        values[name] = value if given else environment[name]
    paper = check_paper(values.pop("PAPER", None))
    folder = environment.get("CALLED_FROM", "")
    if values.get("DATA"):
        values["DATA"] = _found(values["DATA"], folder)
    if values.get("INIT"):
        paths, source = split_init(values["INIT"])
        values["INIT"] = ",".join(_found(path, folder) for path in paths) + (f":{source}" if source else "")
    return check(paper, values, data_sets(paper))


def _found(path: str, folder: str) -> str:
    """The path, or that in the folder where it exists there alone."""
    inside = os.path.join(folder, path)
    return inside if os.path.exists(inside) and not os.path.exists(path) else path


def _stop(number: int, _frame: object) -> None:
    """Let SIGTERM end the work as Ctrl-C does, so that nothing is left running."""
    raise KeyboardInterrupt(number)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="videoattn", description="Five papers on video attention.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    paper = argparse.ArgumentParser(add_help=False)
    paper.add_argument("paper", metavar="PAPER", help=f"one of {', '.join(PAPERS)}")

    reproduce = commands.add_parser(
        "reproduce",
        help="train and test a paper's networks, then execute its notebook",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(
            ["parameters (PROFILE is auto here, check in the notebook):", f"  {'PAPER':14} one of {', '.join(PAPERS)}"]
            + [f"  {parameter.name:14} {parameter.help}" for parameter in PARAMETERS]
        ),
    )
    reproduce.add_argument(
        "parameters", nargs="*", metavar="NAME[=VALUE]", help="a parameter; without =VALUE the environment holds it"
    )
    reproduce.add_argument("--check", action="store_true", help="check the parameters and stop")
    reproduce.set_defaults(work=_reproduce)

    audit = commands.add_parser("audit", parents=[paper], help="the paper's complexity figures, computed and compared")
    audit.add_argument("--json", action="store_true", help="as JSON")
    audit.set_defaults(work=_audit)

    bench = commands.add_parser("bench", parents=[paper], help="measure the speed of a paper's modules on this machine")
    bench.set_defaults(work=_bench)

    _add_data(commands.add_parser("data", help="real data sets: where they come from, whether they are whole, flow"))

    runs = commands.add_parser("runs", help="the records of the runs")
    runs.set_defaults(work=_runs)
    actions = runs.add_subparsers(required=True, metavar="ACTION", dest="action")
    actions.add_parser("list", help="all records: complete or not, stale or not")
    table = actions.add_parser("table", help="the table of results")
    table.add_argument(
        "--update",
        nargs="+",
        metavar="FILE",
        help="put it into these Markdown files and notebooks, in its marked place",
    )
    publish = actions.add_parser("publish", help="copy what git should keep of a finished run")
    publish.add_argument("folder", metavar="FOLDER", help="the run, as in runs/cma/full-probe-0123456789")
    compare = actions.add_parser("compare", help="whether two runs agree, row by row, within what their seeds allow")
    compare.add_argument("folder", metavar="A", help="the one run")
    compare.add_argument("other", metavar="B", help="the other")
    return parser


def _add_data(data: argparse.ArgumentParser) -> None:
    actions = data.add_subparsers(required=True, metavar="ACTION")
    actions.add_parser("list", help="all data sets and where to get them").set_defaults(work=_data_list)
    which = argparse.ArgumentParser(add_help=False)
    which.add_argument("data_set", metavar="NAME", help="the data set, as `videoattn data list` names it")
    which.add_argument("root", metavar="ROOT", help="the folder in which it lies")
    which.add_argument("--workers", type=int, metavar="N", help="processes at a time (default: one a core)")

    verify = actions.add_parser(
        "verify", parents=[which], help="check the lists, decode every video; goes on where it was stopped"
    )
    verify.add_argument("--split", type=int, metavar="N", help="one official split (default: all)")
    verify.add_argument("--report", metavar="FILE", help="where to keep what was found (default: in the cache)")
    verify.add_argument(
        "--time-limit",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="for a video to open, and each 32 frames of it to decode (default: 10, as trainings have it)",
    )
    verify.add_argument("--quick", action="store_true", help="decode the first and the last frame of each video alone")
    verify.set_defaults(work=_data_verify)

    flow = actions.add_parser(
        "flow", parents=[which], help="compute optical flow before trainings need it; goes on where it was stopped"
    )
    flow.add_argument("--split", type=int, default=1, metavar="N", help="official split (default: 1)")
    flow.add_argument("--paper", metavar="PAPER", help="the flow that the study of this paper reads, profile paper")
    flow.add_argument("--algorithm", metavar="NAME", help="tvl1 or dis")
    flow.add_argument("--short-side", type=int, metavar="N", help="shorter side of the frames in pixels")
    flow.add_argument("--bound", type=float, metavar="N", help="pixels at which flow is clipped (default: 20)")
    flow.add_argument("--encoding", metavar="NAME", help="png (default) or jpeg")
    flow.add_argument("--warped", action="store_true", help="also flow without the motion of the camera")
    flow.set_defaults(work=_data_flow)


def _reproduce(options: argparse.Namespace) -> None:
    parameters = read_parameters(options.parameters, os.environ)
    if not options.check:
        from videoattn.reproduce import reproduce

        reproduce(parameters)


def _audit(options: argparse.Namespace) -> None:
    paper = check_paper(options.paper)
    from videoattn.reporting.audit import as_json, as_markdown

    rows = importlib.import_module(f"videoattn.papers.{paper}.audit").rows()
    print(as_json(rows) if options.json else as_markdown(rows))


def _bench(options: argparse.Namespace) -> None:
    bench = importlib.import_module(f"videoattn.papers.{check_paper(options.paper)}.bench")
    from videoattn.reporting.speed import main_bench

    main_bench(bench.tables)


def _data_list(options: argparse.Namespace) -> None:
    from videoattn.data.datasets.catalogue import catalogue

    print(catalogue())


def _data_verify(options: argparse.Namespace) -> None:
    _check_workers(options)
    if not 0 < options.time_limit < float("inf"):
        raise InputError(f"--time-limit is {options.time_limit:g}; it must be a positive number of seconds")
    from videoattn.data.verify.verify import main_verify

    main_verify(options)


def _check_workers(options: argparse.Namespace) -> None:
    if options.workers is not None and options.workers < 1:
        raise InputError(f"--workers is {options.workers}; it must be 1 or more")


def _data_flow(options: argparse.Namespace) -> None:
    from videoattn.data.flow.algorithms import ALGORITHMS

    _check_workers(options)
    if options.algorithm not in (None, *ALGORITHMS):
        raise unknown("--algorithm", options.algorithm, ALGORITHMS)
    settings = None
    if options.paper is not None:
        paper = check_paper(options.paper)
        own = [name for name in ("short_side", "bound", "encoding", "warped") if getattr(options, name)]
        if own:
            raise InputError(f"--{own[0].replace('_', '-')} is given, but --paper decides it: leave one of them out")
        names = {"DATASET": options.data_set, "DATA": options.root, "SPLIT": options.split}
        values = names | {"PROFILE": "paper", "FLOW": options.algorithm or "auto", "PRETRAINED": "false"}
        from videoattn.engine.experiment import flow_settings

        settings = flow_settings(check(paper, values, data_sets(paper)))
    from videoattn.data.flow.command import main_flow

    main_flow(options, settings)


def _runs(options: argparse.Namespace) -> None:
    from videoattn.published import main_runs

    main_runs(options)


if __name__ == "__main__":
    sys.exit(main())
