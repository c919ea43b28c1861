"""Tells people of a night, by whatever Apprise reaches: mail, chat, a web hook. The text names no patient.

A notice that cannot be delivered is a warning in the log and never a failed night.
"""

import logging
from datetime import date

from apprise import Apprise, AppriseAsset, NotifyType

from flows.logs import without_identities
from flows.metrics import NightFigures
from flows.proxies import shown
from flows.settings import NoticeOf, Settings, proxy_variables

log = logging.getLogger("pmfer.notify")

LOOK = "`pmfer status` and the log say more."


def notify_failure(settings: Settings, night: date | None, error: BaseException) -> None:
    """Tell that a run failed, if that is wanted."""
    reason = without_identities((str(error).splitlines() or [type(error).__name__])[0])
    what = f"The night of {night}" if night else "A night"
    body = f"{what} failed: {reason}\nWhat was stored stays; correct the cause and run it again. {LOOK}"
    _tell(settings, "failure", f"PMFER: {what[0].lower()}{what[1:]} failed", body, NotifyType.FAILURE)


def notify_end(settings: Settings, night: date, figures: NightFigures | None) -> None:
    """Tell that a night ended, and that too much of it is missing or could not be scored, whichever is wanted.

    Args:
        settings: addresses and what they are told of.
        night: the night.
        figures: of the night; None if nothing was ever found of it.
    """
    missing = what_is_missing(figures, settings.notify_abstention_share)
    if missing is not None:
        title = f"PMFER: much of the night of {night} is missing"
        _tell(settings, "abstention", title, f"{missing} {LOOK}", NotifyType.WARNING)
    body = "Nothing was to be done."
    if figures is not None:
        body = (
            f"{figures.sessions_stored} sessions scored, {sum(figures.set_aside.values())} set aside, "
            f"{figures.reports} reports; {figures.frames_scored} of {figures.frames_sampled} sampled frames scored."
        )
    _tell(settings, "completion", f"PMFER: the night of {night} is done", body, NotifyType.SUCCESS)


def what_is_missing(figures: NightFigures | None, share: float) -> str | None:
    """Why a night tells too little of its patients, in words; None if it does not.

    Args:
        figures: of the night; None if nothing was ever found of it.
        share: of the sampled frames that may be without scores, 0..1, itself excluded.
    """
    if figures is None:
        return "The source holds nothing of it; recorders or the way from them may be down."
    if figures.abstention_share is None:
        return 'None of its sessions could be scored; see `pmfer sql "FROM quarantine"`.'
    if figures.abstention_share >= share:
        return (
            f"{figures.abstention_share:.0%} of the {figures.frames_sampled} sampled frames could not be scored. "
            "Cameras may be covered, turned or in the dark; the ward overview says where."
        )
    return None


def notify_test(settings: Settings) -> bool:
    """Send a notice that only says that it arrived, whatever else is wanted; whether all addresses took it."""
    return _send(settings, "PMFER: a test", "This is a test; nothing is to be done.", NotifyType.INFO)


def unusable_addresses(settings: Settings) -> int:
    """How many of the addresses Apprise does not understand."""
    return sum(not Apprise().add(url.get_secret_value()) for url in settings.notify_urls)


def _tell(settings: Settings, event: NoticeOf, title: str, body: str, kind: NotifyType) -> None:
    if event in settings.notify_on:
        _send(settings, title, body, kind)


def _send(settings: Settings, title: str, body: str, kind: NotifyType) -> bool:
    if not settings.notify_urls:
        return False
    # No picture of Apprise's own is fetched or named, and nothing in the text is read as markup.
    apprise = Apprise(asset=AppriseAsset(app_id="PMFER", image_url_mask="", image_url_logo="", async_mode=False))
    try:
        understood = [apprise.add(url.get_secret_value()) for url in settings.notify_urls]
        told = any(understood) and bool(apprise.notify(body=body, title=title, notify_type=kind)) and all(understood)
    except Exception as error:  # each of its services has errors of its own, and none may end a night
        log.warning("nobody was notified (%s); check PMFER_NOTIFY_URLS", type(error).__name__)
        return False
    if not told:
        proxies = ", ".join(sorted({shown(proxy) for kind, proxy in proxy_variables().items() if kind != "no"}))
        through = f" and the proxy {proxies}" if proxies else ""
        log.warning("a notice was not delivered; check PMFER_NOTIFY_URLS%s with `pmfer doctor --notify`", through)
    return told
