"""The paper's claims, where each is tested, and what became of it in the published record."""

from itertools import combinations

from videoattn.engine.record import Record
from videoattn.papers.banet import audit, closed_forms
from videoattn.reporting.claims import FAILS, HOLDS, UNKNOWN, Claim, Verdict, all_judged, equal, judged, together
from videoattn.reporting.tables import accuracy

ORDERS = {"HW, TW, TH": "lite-cs", "TW, HW, TH": "lite-cs-tw-hw-th", "TH, TW, HW": "lite-cs-th-tw-hw"}  # of table V


def claims(record: Record | None) -> list[Claim]:
    """All claims, those about accuracy judged on the published record."""
    share, rate = 100 * float(closed_forms.share(audit.SHAPE)), audit.frames_per_second("BANet(16F)")
    lite = audit.frames_per_second("BANet-Lite(4F)")
    whole = 100 * audit.added("eco-cs")[1] / audit.added("eco-nl")[1]
    return [
        Claim("Frame attention drops what does not belong to the action", "I, figure 1", "12", kept(record)),
        Claim("It raises the accuracy over as many uniform frames", "IV-D, table VII", "11",
              judged(record, "lite-learned", "lite-uniform")),
        Claim("and over random ones", "I, IV-D", "11", judged(record, "lite-learned", "lite-random")),
        Claim("and over the strongest rule that learns nothing", "not in the paper", "11",
              judged(record, "lite-learned", "lite-smallest")),
        Claim("and over all sampled frames", "I", "11", judged(record, "lite-learned", "lite-all")),
        Claim("The network is trained end to end", "I", "7", end_to_end(record)),
        Claim("Cascaded self-attention helps", "IV-D, table VII", "11", judged(record, "lite-cs", "lite-all")),
        Claim("It is as accurate as the non-local block", "IV-D, table VI", "11",
              equal(record, "lite-cs", "lite-nl")),
        Claim("at 13.4% of its FLOPs", "III-C", "8",
              Verdict(HOLDS, f"for Q K^T, {share:.1f}%; of the modules {whole:.1f}%")),
        Claim("The order of the planes matters little", "IV-D, table V", "11",
              together({f"{first} and {second}": equal(record, ORDERS[first], ORDERS[second])
                        for first, second in combinations(ORDERS, 2)})),
        Claim("In a cascade every position reaches every other, in the sum of figure 5 not", "III-C, figure 5", "7",
              Verdict(HOLDS, "two kinds of planes are enough", "exactly")),
        Claim("Both together are best", "IV-D, table VII", "11",
              all_judged(record, {"over before alone": ("lite-both", "lite-learned"),
                                  "over after alone": ("lite-both", "lite-cs")})),
        Claim("BANet runs at 400 frames per second", "abstract, IV-C", "8",
              Verdict(FAILS, f"{rate:.0f}; BANet-Lite, at 4 frames, {lite:.0f}", "by table III")),
    ]  # fmt: skip


def kept(record: Record | None) -> Verdict:
    """How often a kept frame is a relevant one, and how often it is by uniform choice."""
    rows = [f"lite-{rule} kept" for rule in ("learned", "uniform")]
    verdict = judged(record, *rows, metric="relevant")
    if verdict == UNKNOWN:
        return UNKNOWN
    shares = [accuracy(record, row, "relevant") for row in rows]
    said = f"of the kept frames {shares[0]}% are relevant, of uniform ones {shares[1]}%"
    return Verdict(verdict.word, f"{said}; {verdict.said}", verdict.reason)


def end_to_end(record: Record | None) -> Verdict:
    """The choice as printed passes no gradient; what training the scores is worth where it was measured."""
    gain = judged(record, "lite-learned", "lite-learned-none")
    measured = "" if gain == UNKNOWN else f"; with a gradient of our own, trained scores over untrained ones: {gain}"
    return Verdict(FAILS, f"the choice of the best frames passes no gradient to the scores{measured}", "as printed")
