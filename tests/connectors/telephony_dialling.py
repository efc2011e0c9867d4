"""What no exchange may ever be asked to call."""

HOSTILE: list[dict[str, str]] = [
    *(
        {"number": number}
        for number in (
            "", "+", "1", "anna", "139\r\nApplication: System", "13900139000\n", "139001390@evil", "139,001",
            "139;001", "${SHELL(id)}", "&echo", "sofia/gateway/x/1", "*21*139#", "１３９",
            "+13+9", "9" * 33, "-h", "1390'139", "1390|139", "1390\x00139",
        )
    ),
    *(
        {"extension": extension}
        for extension in (
            "", "101\r\nAction: Command", "101\n", "101&PJSIP/102", "101,102", "101;102", "Local/1@ctx/n",
            "101@trunk", "PJSIP/101", "101 102", "{x=y}101", "$1", "${EXTEN}", "101'", "一百", "1" * 65, "-1",
            "101\x00",
        )
    ),
    *(
        {"call_id": call_id}
        for call_id in ("", "a\r\nb", "a,b", "a;b", "a b", "a}b", "-a", "a" * 65, "a/b", "电", "a\n")
    ),
]  # fmt: skip
