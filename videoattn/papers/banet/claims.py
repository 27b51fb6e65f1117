"""The paper's claims, where each is tested, and what became of it in the published records of both studies."""

from dataclasses import replace
from itertools import combinations

from videoattn.engine.record import Record
from videoattn.papers.banet import audit, closed_forms
from videoattn.reporting.claims import (
    FAILS,
    HOLDS,
    OPEN,
    UNKNOWN,
    Claim,
    Verdict,
    above,
    all_judged,
    equal,
    judged,
    together,
)
from videoattn.reporting.printed import printed_value
from videoattn.reporting.tables import accuracy

ORDERS = {"HW, TW, TH": "cs", "TW, HW, TH": "cs-tw-hw-th", "TH, TW, HW": "cs-th-tw-hw"}  # of table V
PAIRS = {"HW, TW": "cs-hw-tw", "TW, TH": "cs-tw-th"}  # of planes


def claims(record: Record | None, relation: Record | None = None) -> list[Claim]:
    """All claims, those about accuracy judged on the published records, the second on the relation probe."""
    share, rate = 100 * float(closed_forms.share(audit.SHAPE)), audit.frames_per_second("BANet(16F)")
    lite = audit.frames_per_second("BANet-Lite(4F)")
    whole = 100 * audit.added("eco-cs")[1] / audit.added("eco-nl")[1]
    return [
        Claim("Frame attention drops what does not belong to the action", "I, figure 1", "12", kept(record)),
        Claim("It raises the accuracy over as many uniform frames", "IV-D, table VII", "11",
              from_few(record, judged(record, "lite-learned", "lite-uniform"))),
        Claim("and over random ones", "I, IV-D", "11", judged(record, "lite-learned", "lite-random")),
        Claim("and over the rules that learn nothing", "not in the paper", "11",
              all_judged(record, {"the largest differences": ("lite-learned", "lite-largest"),
                                  "the smallest": ("lite-learned", "lite-smallest")})),
        Claim("and over all sampled frames, which are twice as many", "I", "11",
              from_few(record, judged(record, "lite-learned", "lite-all"))),
        Claim("F and clamp are better than differences converted directly", "III-B", "11",
              judged(record, "lite-learned", "lite-direct")),
        Claim("An offset of 3 is better than one of 3.5", "III-B", "11",
              judged(record, "lite-learned", "lite-centred")),
        Claim("The network is trained end to end", "I", "7", end_to_end(record)),
        Claim("Cascaded self-attention helps", "IV-D, table VII", "11", judged(relation, "cs", "none")),
        Claim("and over a 3D convolution of 3 x 3 x 3 in its place", "I", "11", judged(relation, "cs", "conv-3")),
        Claim("and over the mean of all places, without attention", "not in the paper", "11",
              judged(relation, "cs", "mean")),
        Claim("It is as accurate as the non-local block", "IV-D, table VI", "11", equal(relation, "cs", "nl")),
        Claim("at 13.4% of its FLOPs", "III-C", "8",
              Verdict(HOLDS, f"for Q K^T, {share:.1f}%; of the modules {whole:.1f}%")),
        Claim("With it ECO is faster than with the non-local block", "IV-D, table VI", "13", faster()),
        Claim("The order of the planes matters little", "IV-D, table V", "11",
              together({f"{first} and {second}": equal(relation, ORDERS[first], ORDERS[second])
                        for first, second in combinations(ORDERS, 2)})),
        Claim("In a cascade every position reaches every other, in the sum of figure 5 not", "III-C, figure 5", "7",
              Verdict(HOLDS, f"two kinds of planes are enough{reach(relation)}", "exactly")),
        Claim("Two kinds of planes are as accurate as three", "not in the paper", "11",
              together({name: equal(relation, row, "cs") for name, row in PAIRS.items()})),
        Claim("Projections to Q, K and V change little", "not in the paper", "11", equal(relation, "cs-plain", "cs")),
        Claim("Both together are best", "IV-D, table VII", "11",
              all_judged(record, {"over before alone": ("lite-both", "lite-learned"),
                                  "over after alone, on all 8 frames": ("lite-both", "lite-cs")})),
        Claim("Self-attention contributes more than frame attention", "IV-D, table VII", "11", contributes()),
        Claim("BANet runs at 400 frames per second", "abstract, IV-C", "8",
              Verdict(FAILS, f"{rate:.0f}; BANet-Lite, at 4 frames, {lite:.0f}", "by table III")),
    ]  # fmt: skip


def kept(record: Record | None) -> Verdict:
    """How often a kept frame is a relevant one, and how often it is by random choice."""
    rows = [f"lite-{rule} kept" for rule in ("learned", "random")]
    verdict = judged(record, *rows, metric="relevant")
    if verdict == UNKNOWN:
        return UNKNOWN
    shares = [accuracy(record, row, "relevant") for row in rows]
    said = f"of the kept frames {shares[0]}% are relevant, of random ones {shares[1]}%"
    return Verdict(verdict.word, f"{said}; {verdict.said}", verdict.reason)


def from_few(record: Record | None, verdict: Verdict) -> Verdict:
    """A gain, with the number of training clips: from many, networks learn the probe without a choice, too."""
    return replace(verdict, reason=f"from {record.data['train']} training clips") if verdict.word == HOLDS else verdict


def end_to_end(record: Record | None) -> Verdict:
    """The choice as printed passes no gradient; what training the scores is worth, over random frames and untrained
    scores: the latter can be worse than chance."""
    gains = {
        "random frames": judged(record, "lite-learned", "lite-random"),
        "untrained scores": judged(record, "lite-learned", "lite-learned-none"),
    }
    found = "; ".join(f"over {name} {gain}" for name, gain in gains.items() if gain != UNKNOWN)
    measured = f"; with a gradient of our own, trained scores: {found}" if found else ""
    return Verdict(FAILS, f"the choice of the best frames passes no gradient to the scores{measured}", "as printed")


def reach(relation: Record | None) -> str:
    """What networks make of that at distance 3: the cascade over the sum, and the sum over guessing."""
    gain = judged(relation, "cs at 3", "cs-sum at 3")
    if gain == UNKNOWN:
        return ""
    guessing = above(relation, "cs-sum at 3", 0.5)
    return f"; at distance 3 the cascade over the sum: {gain}; the sum over guessing: {guessing}"


def faster() -> Verdict:
    """What table VI prints; the same on this machine is measured in the notebook."""
    cascade, non_local = (float(printed_value("banet", "VI", f"ECO(with 1 {name})", "VPS")) for name in ("CS", "NL"))
    said = f"printed: {cascade / non_local:.1f} times as many videos a second"
    return Verdict(OPEN, said, "a matter of the machine: section 13 measures it on the one that executed the page")


def contributes() -> Verdict:
    """Why the probes do not tell which module is worth more."""
    return Verdict(OPEN, reason="each gain is of a probe made for its module, and a dial of the probe sets its size")
