"""What to say at the door: each reason of a decision in plain words, what the reader shows, and what the
person can do. Pure data.

trust.md R-99: a refusal can be explained, and a human can look at it on the spot. Nothing here speaks of
duress: a door shows nothing of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from drivers.base import Indication
from messages.model import Reason


@dataclass(frozen=True, slots=True)
class Explanation:
    """`help_zh` and `help_en` are empty where there is nothing to be done."""

    zh: str
    en: str
    help_zh: str = ""
    help_en: str = ""


_ASK_ZH, _ASK_EN = "请联系物业服务台或按呼叫按钮。", "Please ask the service desk, or press the call button."

GRANTED: Final[dict[Reason, Explanation]] = {
    Reason.LISTED: Explanation("凭证有效，请进。", "Your credential is valid here. Please enter."),
    Reason.VERIFIED_ID: Explanation(
        "身份证已核验，本次进出已登记。", "Your ID card was verified, and this entry is recorded."
    ),
    Reason.LISTED_UNRECORDED: Explanation(
        "凭证有效，请进；本次记录稍后补登。",
        "Your credential is valid. This entry will be recorded as soon as that is possible.",
    ),
    Reason.VISITOR_PASS: Explanation(
        "访客通行证有效，请进。", "Your visitor pass is valid here. Please enter."
    ),
    Reason.FREE_HOURS: Explanation(
        "此门现在开放，请进。", "This door is open to everybody now. Please enter."
    ),
    Reason.LISTED_PASSED_BACK: Explanation(
        "请进；系统显示您尚未离开。",
        "Please enter. By the records you had not left before.",
        "离开时也请刷卡。",
        "Please show your credential when you leave, too.",
    ),
}

DENIED: Final[dict[Reason, Explanation]] = {
    Reason.UNKNOWN_CREDENTIAL: Explanation(
        "未登记的凭证。",
        "This credential is not known here.",
        "请换用已登记的卡，或" + _ASK_ZH,
        "Try another one of yours. " + _ASK_EN,
    ),
    Reason.NO_RIGHT: Explanation(
        "此凭证不能开这扇门。", "This credential is not for this door.", _ASK_ZH, _ASK_EN
    ),
    Reason.NOT_YET_VALID: Explanation(
        "凭证尚未生效。",
        "Your credential is not valid yet.",
        "请在生效时间之后再来，或联系邀请人。",
        "Come back when it begins, or ask your host.",
    ),
    Reason.EXPIRED: Explanation(
        "凭证已过期。",
        "Your credential is no longer valid.",
        "请联系邀请人或物业服务台延期。",
        "Ask your host or the service desk to extend it.",
    ),
    Reason.BLOCKED: Explanation("凭证已停用。", "This credential was withdrawn.", _ASK_ZH, _ASK_EN),
    Reason.ASSURANCE_TOO_LOW: Explanation(
        "此处需要更安全的凭证。",
        "This kind of credential is not enough here.",
        "请换用更安全的卡，或" + _ASK_ZH,
        "Use a card that is harder to copy. " + _ASK_EN,
    ),
    Reason.DOCUMENT_EXPIRED: Explanation(
        "证件已过有效期。",
        "Your document has expired.",
        "请使用其他凭证，或" + _ASK_ZH,
        "Use another credential. " + _ASK_EN,
    ),
    Reason.UNREADABLE: Explanation(
        "未能读取，请重试。",
        "The card could not be read.",
        "请平放并停留片刻再试。",
        "Hold it flat against the reader for a moment.",
    ),
    Reason.PIN_MISSING: Explanation(
        "请刷卡后输入密码。",
        "This door asks for card and PIN.",
        "刷卡后输入密码；没有密码请联系物业服务台。",
        "Type your PIN after the card. If you have none, ask the service desk.",
    ),
    Reason.PIN_WRONG: Explanation(
        "密码错误。", "The PIN is wrong.", "请重新刷卡并输入密码。", "Show your card and type the PIN again."
    ),
    Reason.NOT_RECORDABLE: Explanation(
        "系统暂时无法登记。", "Nothing can be recorded at the moment.", _ASK_ZH, _ASK_EN
    ),
    Reason.LOST: Explanation(
        "此卡已挂失。",
        "This card was reported lost.",
        "请交还物业服务台；如已找回，请办理解挂。",
        "Hand it in at the service desk. If it is yours, have it put in use again there.",
    ),
    Reason.OUTSIDE_HOURS: Explanation(
        "不在允许的时段内。",
        "Your credential is not valid at this hour.",
        "请在允许的时段再来，或" + _ASK_ZH,
        "Come back within its hours. " + _ASK_EN,
    ),
    Reason.LOCKED_DOWN: Explanation(
        "此门已封闭。",
        "This door is locked down.",
        "请改走其他入口，或" + _ASK_ZH,
        "Use another door. " + _ASK_EN,
    ),
    Reason.PASSED_BACK: Explanation(
        "系统显示您已在内。",
        "By the records you are inside already.",
        "若您已离开而未刷卡，" + _ASK_ZH,
        "If you left without showing your credential: " + _ASK_EN,
    ),
    Reason.INTERLOCKED: Explanation(
        "另一扇门开着。",
        "The other door is open.",
        "请等另一扇门关好后再试。",
        "Wait until it is closed, then try again.",
    ),
    Reason.FIRST_PERSON_MISSING: Explanation(
        "须等值班人员先到。",
        "Somebody of the staff must come first.",
        "请稍候，或" + _ASK_ZH,
        "Please wait. " + _ASK_EN,
    ),
    Reason.LIST_TOO_OLD: Explanation(
        "名单过旧，暂时无法核实。",
        "This door has heard nothing new for too long to be sure of your right.",
        _ASK_ZH,
        _ASK_EN,
    ),
    Reason.TOO_MANY_TRIES: Explanation(
        "密码错误次数过多。",
        "There were too many wrong PINs.",
        "请五分钟后再试，或" + _ASK_ZH,
        "Try again in five minutes. " + _ASK_EN,
    ),
    Reason.CLOCK_NOT_SET: Explanation(
        "门禁时间未校准，无法判断有效期。",
        "This door does not know the time, and your right is limited in time.",
        _ASK_ZH,
        _ASK_EN,
    ),
    Reason.PASS_FORGED: Explanation(
        "通行证无法验证。",
        "This pass is not genuine.",
        "请向邀请人索取新的通行证。",
        "Ask your host for a new one.",
    ),
    Reason.PASS_USED_UP: Explanation(
        "通行证次数已用完。",
        "Your pass is used up.",
        "请联系邀请人或物业服务台。",
        "Ask your host or the service desk for another.",
    ),
}

EXPLANATIONS: Final = GRANTED | DENIED

SIGNALS: Final[dict[Reason, Indication]] = dict.fromkeys(GRANTED, Indication.GRANTED) | {
    Reason.UNKNOWN_CREDENTIAL: Indication.DENIED,
    Reason.NO_RIGHT: Indication.DENIED,
    Reason.NOT_YET_VALID: Indication.NOT_NOW,
    Reason.EXPIRED: Indication.ASK_DESK,
    Reason.BLOCKED: Indication.ASK_DESK,
    Reason.ASSURANCE_TOO_LOW: Indication.DENIED,
    Reason.DOCUMENT_EXPIRED: Indication.ASK_DESK,
    Reason.UNREADABLE: Indication.TRY_AGAIN,
    Reason.PIN_MISSING: Indication.TRY_AGAIN,
    Reason.PIN_WRONG: Indication.TRY_AGAIN,
    Reason.NOT_RECORDABLE: Indication.OUT_OF_ORDER,
    Reason.LOST: Indication.ASK_DESK,
    Reason.OUTSIDE_HOURS: Indication.NOT_NOW,
    Reason.LOCKED_DOWN: Indication.NOT_NOW,
    Reason.PASSED_BACK: Indication.ASK_DESK,
    Reason.INTERLOCKED: Indication.NOT_NOW,
    Reason.FIRST_PERSON_MISSING: Indication.NOT_NOW,
    Reason.LIST_TOO_OLD: Indication.OUT_OF_ORDER,
    Reason.TOO_MANY_TRIES: Indication.NOT_NOW,
    Reason.CLOCK_NOT_SET: Indication.OUT_OF_ORDER,
    Reason.PASS_FORGED: Indication.ASK_DESK,
    Reason.PASS_USED_UP: Indication.ASK_DESK,
}
"""What the reader shows: few enough kinds that people can tell them apart and know what to do."""

LIGHTS: Final[dict[Indication, Explanation]] = {
    Indication.GRANTED: Explanation("请进。", "Please enter."),
    Indication.DENIED: Explanation(
        "此凭证在这里无效。",
        "This credential is not for this door.",
        "请换用其他凭证。",
        "Try another one of yours.",
    ),
    Indication.NOT_NOW: Explanation(
        "现在不能从这扇门进入。",
        "Not now, or not by this door.",
        "请稍后再来，或改走其他入口。",
        "Come back later, or use another door.",
    ),
    Indication.ASK_DESK: Explanation(
        "凭证已不能使用，需要人工处理。",
        "Your credential is not good any more, and trying again will not help.",
        _ASK_ZH,
        _ASK_EN,
    ),
    Indication.OUT_OF_ORDER: Explanation(
        "门禁暂时无法判断，不是您的凭证有问题。",
        "The door cannot judge at the moment. Nothing is wrong with your credential.",
        _ASK_ZH,
        _ASK_EN,
    ),
    Indication.TRY_AGAIN: Explanation(
        "没有读到卡，或密码不对。",
        "The card was not read, or the PIN was not right.",
        "请重新刷卡，必要时再输入密码。",
        "Show your card again, and type the PIN where one is asked for.",
    ),
    Indication.HOLD_CARD: Explanation(
        "正在读卡。", "Your card is being read.", "请勿移开。", "Do not take it away yet."
    ),
}
"""What each signal means to whoever stands before the reader."""


def signal_of(reason: Reason | None) -> Indication:
    """DENIED for what is no reason of a decision."""
    return Indication.DENIED if reason is None else SIGNALS.get(reason, Indication.DENIED)
