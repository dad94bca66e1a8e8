"""Event types: the prototype's three, and realistic ones from the event logs of meters and
networks.

A realistic type is `ev_` + equipment or network (C, K, N) + code: C has the decimal codes of the
G3-PLC meters' logs (DLMS/COSEM), K and N the hexadecimal ones of G3-PLC concentrators. Network
events are sent by concentrators.
"""

from __future__ import annotations

from typing import NamedTuple


class EventType(NamedTuple):
    """A type of event: its code, the type of equipment that sends it, its frequency without storms
    (a weight within its family), its category and its meaning.
    """

    code: str
    equipment: str
    weight: int
    category: str
    label: str


PROTOTYPE = (
    EventType("ev_C", "C", 30, "meter", "event of a meter"),
    EventType("ev_K", "K", 8, "concentrator", "event of a concentrator"),
    EventType("ev_N", "K", 3, "network", "event of the network"),
)

# Families in per cent of the events without storms: meters 60, network 30, concentrators 10.
FAMILY_SHARES = {"C": 60, "N": 30, "K": 10}

REALISTIC = (
    EventType("ev_C3", "C", 30, "breaker", "breaker opened: power exceeded"),
    EventType("ev_C1", "C", 8, "breaker", "breaker opened by remote order"),
    EventType("ev_C11", "C", 8, "breaker", "breaker closed by remote order"),
    EventType("ev_C12", "C", 28, "breaker", "breaker closed by hand"),
    EventType("ev_C2", "C", 2, "breaker", "breaker opened: surge"),
    EventType("ev_C5", "C", 1, "breaker", "breaker opened: overheating"),
    EventType("ev_C21", "C", 4, "cover", "terminal cover opened"),
    EventType("ev_C22", "C", 4, "cover", "terminal cover closed"),
    EventType("ev_C34", "C", 60, "communication", "read-write association started"),
    EventType("ev_C35", "C", 60, "communication", "read-write association ended"),
    EventType("ev_C36", "C", 3, "communication", "read-write association failed"),
    EventType("ev_C37", "C", 20, "communication", "broadcast association started"),
    EventType("ev_C38", "C", 20, "communication", "broadcast association ended"),
    EventType("ev_C29", "C", 1, "communication", "change of network key failed"),
    EventType("ev_C43", "C", 12, "clock", "clock set, time before"),
    EventType("ev_C44", "C", 12, "clock", "clock set, time after"),
    EventType("ev_C45", "C", 1, "clock", "clock invalid"),
    EventType("ev_C51", "C", 6, "voltage", "phase 1 failed"),
    EventType("ev_C52", "C", 6, "voltage", "phase 1 restored"),
    EventType("ev_C63", "C", 2, "hardware", "firmware reset"),
    EventType("ev_C68", "C", 1, "hardware", "abnormal downstream voltage"),
    EventType("ev_C71", "C", 1, "hardware", "index inconsistent"),
    EventType("ev_C80", "C", 3, "firmware", "firmware activated"),
    EventType("ev_C84", "C", 5, "configuration", "supplier's schedule enabled"),
    EventType("ev_K20", "K", 30, "communication", "session accepted"),
    EventType("ev_K21", "K", 30, "communication", "session finished"),
    EventType("ev_K83", "K", 1, "power", "mains lost"),
    EventType("ev_K84", "K", 1, "power", "mains recovered"),
    EventType("ev_K85", "K", 1, "power", "last gasp"),
    EventType("ev_K33", "K", 6, "communication", "modem connected"),
    EventType("ev_K34", "K", 6, "communication", "modem disconnected"),
    EventType("ev_K99", "K", 1, "firmware", "firmware upgraded"),
    EventType("ev_KD1", "K", 24, "communication", "heartbeat"),
    EventType("ev_K105", "K", 1, "security", "login over SSH"),
    EventType("ev_NC2", "K", 20, "registration", "node registered"),
    EventType("ev_NC3", "K", 20, "registration", "node unregistered"),
    EventType("ev_NC5", "K", 16, "registration", "node asks to join"),
    EventType("ev_NC8", "K", 2, "registration", "joining failed"),
    EventType("ev_NC9", "K", 1, "security", "authentication failed"),
    EventType("ev_NCB", "K", 14, "link", "link to a node lost"),
    EventType("ev_NCC", "K", 14, "link", "link to a node recovered"),
    EventType("ev_NCE", "K", 13, "link", "topology updated"),
)
# Types that exist in no log: a planted defect.
UNKNOWN = (
    EventType("ev_C999", "C", 0, "unknown", "no known meter code"),
    EventType("ev_KFF", "K", 0, "unknown", "no known concentrator code"),
)
