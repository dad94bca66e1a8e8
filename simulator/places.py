"""Communes, départements and régions for the park: a small extract of public geography.

Codes are INSEE's. Labels are upper case without accents, as the park files of the field have them.
MONTREUIL, SAINT-DENIS and VALENCE each name two communes of different départements on purpose.
"""

from __future__ import annotations

REGIONS = (
    "ILE-DE-FRANCE",
    "PAYS DE LA LOIRE",
    "PROVENCE-ALPES-COTE D'AZUR",
    "AUVERGNE-RHONE-ALPES",
    "BRETAGNE",
    "OCCITANIE",
    "NOUVELLE-AQUITAINE",
    "CORSE",
)

# (code, label, index in REGIONS). In this order the concentrators are given a département; the
# first two hold homonyms, so that even the smallest park has events in both.
DEPARTEMENTS = (
    ("93", "SEINE-SAINT-DENIS", 0),
    ("85", "VENDEE", 1),
    ("13", "BOUCHES-DU-RHONE", 2),
    ("69", "RHONE", 3),
    ("35", "ILLE-ET-VILAINE", 4),
    ("06", "ALPES-MARITIMES", 2),
    ("11", "AUDE", 5),
    ("26", "DROME", 3),
    ("16", "CHARENTE", 6),
    ("2A", "CORSE-DU-SUD", 7),
    ("01", "AIN", 3),
    ("29", "FINISTERE", 4),
    ("75", "PARIS", 0),
)

# (INSEE code, label); the first two characters are the département.
COMMUNES = (
    ("93048", "MONTREUIL"),
    ("93066", "SAINT-DENIS"),
    ("93001", "AUBERVILLIERS"),
    ("93029", "DRANCY"),
    ("93008", "BOBIGNY"),
    ("85148", "MONTREUIL"),
    ("85191", "LA ROCHE-SUR-YON"),
    ("85047", "CHALLANS"),
    ("85092", "FONTENAY-LE-COMTE"),
    ("13055", "MARSEILLE"),
    ("13001", "AIX-EN-PROVENCE"),
    ("13004", "ARLES"),
    ("13005", "AUBAGNE"),
    ("69123", "LYON"),
    ("69266", "VILLEURBANNE"),
    ("69259", "VENISSIEUX"),
    ("69029", "BRON"),
    ("35238", "RENNES"),
    ("35288", "SAINT-MALO"),
    ("35115", "FOUGERES"),
    ("35047", "BRUZ"),
    ("06088", "NICE"),
    ("06029", "CANNES"),
    ("06004", "ANTIBES"),
    ("11339", "SAINT-DENIS"),
    ("11069", "CARCASSONNE"),
    ("11262", "NARBONNE"),
    ("26362", "VALENCE"),
    ("26198", "MONTELIMAR"),
    ("26281", "ROMANS-SUR-ISERE"),
    ("16392", "VALENCE"),
    ("16015", "ANGOULEME"),
    ("16102", "COGNAC"),
    ("2A004", "AJACCIO"),
    ("2A041", "BONIFACIO"),
    ("2A247", "PORTO-VECCHIO"),
    ("01053", "BOURG-EN-BRESSE"),
    ("01283", "OYONNAX"),
    ("29019", "BREST"),
    ("29232", "QUIMPER"),
    ("75056", "PARIS"),
)


def communes_of(departement: str) -> list[str]:
    """The INSEE codes of a département's communes, in the order of COMMUNES."""
    return [code for code, _ in COMMUNES if code.startswith(departement)]


def region_of(departement: str) -> int:
    """The index in REGIONS of a département's région."""
    return next(region for code, _, region in DEPARTEMENTS if code == departement)
