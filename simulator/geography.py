"""Communes, départements and régions for the park.

Real are the régions (as before 2016, like the field's files), the départements, their codes, and
the communes in ANCHORS with their INSEE codes. The other communes are made up, so that the list has
the size and the difficulties of the field's: several communes of one name, codes with leading zeros
and with letters, and overseas départements that all have the code `97` and the same région.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from simulator.streams import Stream

# (label, INSEE code); the position is the id in the park's files.
REGIONS = (
    ("NORD-PAS-DE-CALAIS", "31"),
    ("BRETAGNE", "53"),
    ("CENTRE", "24"),
    ("AUVERGNE", "83"),
    ("RHONE-ALPES", "82"),
    ("PICARDIE", "22"),
    ("LORRAINE", "41"),
    ("BOURGOGNE", "26"),
    ("PROVENCE-ALPES-COTE D'AZUR", "93"),
    ("BASSE-NORMANDIE", "25"),
    ("MIDI-PYRENEES", "73"),
    ("LANGUEDOC-ROUSSILLON", "91"),
    ("ALSACE", "42"),
    ("AQUITAINE", "72"),
    ("LIMOUSIN", "74"),
    ("POITOU-CHARENTES", "54"),
    ("CHAMPAGNE-ARDENNE", "21"),
    ("HAUTE-NORMANDIE", "23"),
    ("ILE-DE-FRANCE", "11"),
    ("PAYS DE LA LOIRE", "52"),
    ("FRANCHE-COMTE", "43"),
    ("CORSE", "94"),
    ("GUYANE", "03"),
    ("GUADELOUPE", "01"),
    ("MARTINIQUE", "02"),
    ("MAYOTTE", "06"),
    ("REUNION", "04"),
)
OVERSEAS = "97"
# The région of every overseas commune, whatever its département.
OVERSEAS_REGION = 23

# Code, label, index in REGIONS.
DEPARTEMENTS = (
    ("01", "AIN", 4),
    ("02", "AISNE", 5),
    ("03", "ALLIER", 3),
    ("04", "ALPES-DE-HAUTE-PROVENCE", 8),
    ("05", "HAUTES-ALPES", 8),
    ("06", "ALPES-MARITIMES", 8),
    ("07", "ARDECHE", 4),
    ("08", "ARDENNES", 16),
    ("09", "ARIEGE", 10),
    ("10", "AUBE", 16),
    ("11", "AUDE", 11),
    ("12", "AVEYRON", 10),
    ("13", "BOUCHES-DU-RHONE", 8),
    ("14", "CALVADOS", 9),
    ("15", "CANTAL", 3),
    ("16", "CHARENTE", 15),
    ("17", "CHARENTE-MARITIME", 15),
    ("18", "CHER", 2),
    ("19", "CORREZE", 14),
    ("2A", "CORSE-DU-SUD", 21),
    ("2B", "HAUTE-CORSE", 21),
    ("21", "COTE-D'OR", 7),
    ("22", "COTES-D'ARMOR", 1),
    ("23", "CREUSE", 14),
    ("24", "DORDOGNE", 13),
    ("25", "DOUBS", 20),
    ("26", "DROME", 4),
    ("27", "EURE", 17),
    ("28", "EURE-ET-LOIR", 2),
    ("29", "FINISTERE", 1),
    ("30", "GARD", 11),
    ("31", "HAUTE-GARONNE", 10),
    ("32", "GERS", 10),
    ("33", "GIRONDE", 13),
    ("34", "HERAULT", 11),
    ("35", "ILLE-ET-VILAINE", 1),
    ("36", "INDRE", 2),
    ("37", "INDRE-ET-LOIRE", 2),
    ("38", "ISERE", 4),
    ("39", "JURA", 20),
    ("40", "LANDES", 13),
    ("41", "LOIR-ET-CHER", 2),
    ("42", "LOIRE", 4),
    ("43", "HAUTE-LOIRE", 3),
    ("44", "LOIRE-ATLANTIQUE", 19),
    ("45", "LOIRET", 2),
    ("46", "LOT", 10),
    ("47", "LOT-ET-GARONNE", 13),
    ("48", "LOZERE", 11),
    ("49", "MAINE-ET-LOIRE", 19),
    ("50", "MANCHE", 9),
    ("51", "MARNE", 16),
    ("52", "HAUTE-MARNE", 16),
    ("53", "MAYENNE", 19),
    ("54", "MEURTHE-ET-MOSELLE", 6),
    ("55", "MEUSE", 6),
    ("56", "MORBIHAN", 1),
    ("57", "MOSELLE", 6),
    ("58", "NIEVRE", 7),
    ("59", "NORD", 0),
    ("60", "OISE", 5),
    ("61", "ORNE", 9),
    ("62", "PAS-DE-CALAIS", 0),
    ("63", "PUY-DE-DOME", 3),
    ("64", "PYRENEES-ATLANTIQUES", 13),
    ("65", "HAUTES-PYRENEES", 10),
    ("66", "PYRENEES-ORIENTALES", 11),
    ("67", "BAS-RHIN", 12),
    ("68", "HAUT-RHIN", 12),
    ("69", "RHONE", 4),
    ("70", "HAUTE-SAONE", 20),
    ("71", "SAONE-ET-LOIRE", 7),
    ("72", "SARTHE", 19),
    ("73", "SAVOIE", 4),
    ("74", "HAUTE-SAVOIE", 4),
    ("75", "PARIS", 18),
    ("76", "SEINE-MARITIME", 17),
    ("77", "SEINE-ET-MARNE", 18),
    ("78", "YVELINES", 18),
    ("79", "DEUX-SEVRES", 15),
    ("80", "SOMME", 5),
    ("81", "TARN", 10),
    ("82", "TARN-ET-GARONNE", 10),
    ("83", "VAR", 8),
    ("84", "VAUCLUSE", 8),
    ("85", "VENDEE", 19),
    ("86", "VIENNE", 15),
    ("87", "HAUTE-VIENNE", 14),
    ("88", "VOSGES", 6),
    ("89", "YONNE", 7),
    ("90", "TERRITOIRE DE BELFORT", 20),
    ("91", "ESSONNE", 18),
    ("92", "HAUTS-DE-SEINE", 18),
    ("93", "SEINE-SAINT-DENIS", 18),
    ("94", "VAL-DE-MARNE", 18),
    ("95", "VAL-D'OISE", 18),
    ("971", "GUADELOUPE", 23),
    ("972", "MARTINIQUE", 24),
    ("973", "GUYANE", 22),
    ("974", "REUNION", 26),
    ("976", "MAYOTTE", 25),
)

# Real communes: (INSEE code, label). MONTREUIL, SAINT-DENIS and VALENCE each name two or three.
ANCHORS = (
    ("01053", "BOURG-EN-BRESSE"),
    ("01283", "OYONNAX"),
    ("06004", "ANTIBES"),
    ("06029", "CANNES"),
    ("06088", "NICE"),
    ("11069", "CARCASSONNE"),
    ("11262", "NARBONNE"),
    ("11339", "SAINT-DENIS"),
    ("13001", "AIX-EN-PROVENCE"),
    ("13004", "ARLES"),
    ("13005", "AUBAGNE"),
    ("13055", "MARSEILLE"),
    ("16015", "ANGOULEME"),
    ("16102", "COGNAC"),
    ("16392", "VALENCE"),
    ("26198", "MONTELIMAR"),
    ("26281", "ROMANS-SUR-ISERE"),
    ("26362", "VALENCE"),
    ("29019", "BREST"),
    ("29232", "QUIMPER"),
    ("2A004", "AJACCIO"),
    ("2A041", "BONIFACIO"),
    ("2A247", "PORTO-VECCHIO"),
    ("35047", "BRUZ"),
    ("35115", "FOUGERES"),
    ("35238", "RENNES"),
    ("35288", "SAINT-MALO"),
    ("42187", "ROANNE"),
    ("42218", "SAINT-ETIENNE"),
    ("69029", "BRON"),
    ("69123", "LYON"),
    ("69259", "VENISSIEUX"),
    ("69266", "VILLEURBANNE"),
    ("85047", "CHALLANS"),
    ("85092", "FONTENAY-LE-COMTE"),
    ("85148", "MONTREUIL"),
    ("85191", "LA ROCHE-SUR-YON"),
    ("93001", "AUBERVILLIERS"),
    ("93008", "BOBIGNY"),
    ("93029", "DRANCY"),
    ("93048", "MONTREUIL"),
    ("93066", "SAINT-DENIS"),
    ("97209", "FORT-DE-FRANCE"),
    ("97302", "CAYENNE"),
    ("97411", "SAINT-DENIS"),
)
# The first départements of a park, so that even the smallest park has homonyms, a code with a
# letter, a leading zero and an overseas commune.
FIRST_DEPARTEMENTS = ("93", "85", "974", "2A", "06", "11", "26", "16", "69", "35", "13", "75")

_COMMUNES = 36_742
# Départements with fewer communes than the others.
_FEW = {
    "75": 20, "92": 36, "93": 40, "94": 47, "90": 102,
    "971": 32, "972": 34, "973": 22, "974": 24, "976": 17,
}  # fmt: skip
_STEMS = """
AIGUE ARBO AUBE AVRI BAGN BARO BEAU BELM BERN BESS BLAN BOIS BONN BORD BOUR BREU BRIA BUSS CAST
CHAM CHAR CHAT CLAI COMB CORB COUR CRES DAMP DOUV ESCA ETRE FERR FONT FOUR FRES GARD GENE GOUR
GRAN HAUT HERB ISLE JAUR JOUX LABA LAMO LANG LAUZ LIGN LONG LOUV MARI MARS MAUR MENI MERI MIRA
MONT MORE MOUL NEUV NOGE ORBE OURV PARA PERR PIER PLAN PONT PRAD QUIN RIBE ROCH ROUV SAUV SERR
SOLI TALM TERN THIL VAUX VERN VIGN
"""
_ENDINGS = """
AC ANGES AY E EAU ENAY ERES ETTE EUIL EY IERES IGNY ILLE INES ISSE OISE OLLE ONNE OULE OUX UEIL
UREL USSE Y
"""
_RIVERS = """
ADOUR AISNE ALLIER ARDECHE ARIEGE AUBE AUDE CHARENTE CHER CREUSE DORDOGNE DOUBS DROME EURE
GARONNE GERS HERAULT INDRE ISERE LOIR LOIRE LOT MARNE MAYENNE MEUSE MOSELLE NIEVRE OISE ORNE
RHONE SAONE SARTHE SEINE SOMME TARN VAR VENDEE VIENNE YONNE BOIS MER MONTS PINS VALLEE
"""


class Commune(NamedTuple):
    """A commune: INSEE code, label, and the code of its département (three digits overseas)."""

    code: str
    label: str
    departement: str


@cache
def communes() -> tuple[Commune, ...]:
    """All 36,742 communes in the order of their codes; the same at every call."""
    stream = Stream(0, "geography")
    anchors = dict(ANCHORS)
    stems, endings, rivers = _STEMS.split(), _ENDINGS.split(), _RIVERS.split()
    suffixes = ["", *(f"-SUR-{river}" for river in rivers), *(f"-LES-{each}" for each in rivers)]
    usual = [code for code, _, _ in DEPARTEMENTS if code not in _FEW]
    rest = _COMMUNES - sum(_FEW.values())
    found = []
    for code, _, _ in DEPARTEMENTS:
        many = _FEW.get(code)
        if many is None:
            many = rest // len(usual) + (usual.index(code) < rest % len(usual))
        width = 5 - len(code)
        real = [anchor for anchor in anchors if anchor.startswith(code)]
        first = 101 if code == "75" else 1
        invented = (f"{code}{number:0{width}d}" for number in range(first, 10**width))
        codes = [*real]
        while len(codes) < many:
            candidate = next(invented)
            if candidate not in anchors:
                codes.append(candidate)
        for number, insee in enumerate(sorted(codes), 1):
            label = anchors.get(insee)
            if label is None and code == "75":
                label = f"PARIS-{number}{'ER' if number == 1 else 'E'}-ARRONDISSEMENT"
            # Drawn even if unused, so that another anchor does not change the other names.
            name = stream.pick(stems) + stream.pick(endings) + stream.pick(suffixes)
            found.append(Commune(insee, label or name, code))
    return tuple(found)


@cache
def communes_of(departement: str) -> tuple[Commune, ...]:
    """A département's communes: real ones with a homonym, then other real ones, then the made-up
    ones.
    """
    real = dict(ANCHORS)
    labels = list(real.values())

    def rank(commune: Commune) -> tuple[int, str]:
        if commune.code not in real:
            return 2, commune.code
        return int(labels.count(commune.label) == 1), commune.code

    here = [commune for commune in communes() if commune.departement == departement]
    return tuple(sorted(here, key=rank))


@cache
def region_of(departement: str) -> int:
    """The index in REGIONS of a département's région."""
    return next(region for code, _, region in DEPARTEMENTS if code == departement)
