_WORDS = {
    "not_found": ("There is nothing at this address.", "此地址不存在。"),
    "unverified": ("This call could not be verified.", "无法验证此请求。"),
    "too_often": ("Too many requests. Please wait a moment and try again.", "请求过于频繁，请稍后再试。"),
    "too_large": ("This is too large to be taken.", "内容过大，无法接收。"),
    "busy": ("Too much is being received at once. Please try again shortly.", "系统繁忙，请稍后再试。"),
    "unavailable": (
        "This cannot be taken at the moment. Please try again shortly.",
        "暂时无法接收，请稍后再试。",
    ),
}


def say(code: str, accept_language: str) -> str:
    """Empty for a code that has no words of its own."""
    english, chinese = _WORDS.get(code, ("", ""))
    return chinese if accept_language.strip().lower().startswith("zh") else english
