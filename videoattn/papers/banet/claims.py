"""The paper's claims, where each is tested, and what became of it in the published record."""

from videoattn.engine.record import Record
from videoattn.evaluation.metrics import mean_interval
from videoattn.papers.banet import audit, closed_forms
from videoattn.reporting.claims import Claim, all_judged, judged, ordered, word
from videoattn.reporting.printed import lines
from videoattn.reporting.tables import NOT_RUN, percent


def claims(record: Record | None) -> list[Claim]:
    """All claims, those about accuracy judged on the published record."""
    share, rate = 100 * float(closed_forms.share(audit.SHAPE)), audit.frames_per_second("BANet(16F)")
    lite = audit.frames_per_second("BANet-Lite(4F)")
    whole = 100 * audit.added("eco-cs")[1] / audit.added("eco-nl")[1]
    return [
        Claim("Frame attention drops what does not belong to the action", "I, figure 1", "12", kept(record)),
        Claim("It raises the accuracy over as many uniform frames", "IV-D, table VII", "11",
              judged(record, "lite-learned", "lite-uniform")),
        Claim("and over all sampled frames", "I", "11", judged(record, "lite-learned", "lite-all")),
        Claim("The network is trained end to end", "I", "7", end_to_end(record)),
        Claim("Cascaded self-attention helps", "IV-D, table VII", "11", judged(record, "lite-cs", "lite-all")),
        Claim("It is as accurate as the non-local block", "IV-D, table VI", "11",
              judged(record, "lite-nl", "lite-cs", claimed_none=True)),
        Claim("at 13.4% of its FLOPs", "III-C", "8", f"holds for Q K^T, {share:.1f}%; of the modules {whole:.1f}%"),
        Claim("The order of the planes matters little", "IV-D, table V", "11",
              ordered(record, lines("banet", "V")[1:])),
        Claim("In a cascade every position reaches every other, in the sum of figure 5 not", "III-C, figure 5", "7",
              "holds, exactly; two kinds of planes are enough"),
        Claim("Both together are best", "IV-D, table VII", "11",
              all_judged(record, {"over before alone": ("lite-both", "lite-learned"),
                                  "over after alone": ("lite-both", "lite-cs")})),
        Claim("BANet runs at 400 frames per second", "abstract, IV-C", "8",
              f"not by table III: {rate:.0f}; BANet-Lite, at 4 frames, {lite:.0f}"),
    ]  # fmt: skip


def kept(record: Record | None) -> str:
    """How often a kept frame is a relevant one, and how often it is by uniform choice."""
    found = [record.values(f"lite-{rule} kept", "relevant") if record else [] for rule in ("learned", "uniform")]
    if not all(found):
        return NOT_RUN
    (share, half), (chance, other) = map(mean_interval, found)
    said = word(share, half, above=chance + other, below=chance)
    return f"{said} on the probe: {percent(share, half)}% of the kept frames are relevant, of uniform ones {chance:.0%}"


def end_to_end(record: Record | None) -> str:
    """The choice as printed passes no gradient; what training the scores is worth where it was measured."""
    gain = judged(record, "lite-learned", "lite-learned-none")
    found = "" if gain == NOT_RUN else f"; trained against untrained scores: {gain}"
    return f"not as printed: the choice of the best frames passes no gradient to the scores{found}"
