"""Worlds in other languages, one of them written without spaces: words, openings, templates, and how they are reworded.

What people write is babble over made-up words with the sounds, or signs, of the language: a detector sees shingles.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

WORDS: Final = 2_500
"""Of a language's babble; used as Zipf says."""


class Tongue(NamedTuple):
    """One language."""

    name: str
    between: str
    """Words: a space, or nothing."""
    parts: tuple[str, ...]
    """Of which words are made up."""
    openings: tuple[str, ...]
    templates: tuple[str, ...]
    """A campaign's own, `{}` where a slot is."""
    frameworks: tuple[str, ...]
    synonyms: dict[str, tuple[str, ...]]
    fillers: tuple[str, ...]


GERMAN: Final = Tongue(
    "de",
    " ",
    tuple("ver be ent ge auf ein aus vor nach stell fahr geb nehm setz halt schrift haus werk zeit rat fall satz ung"
          " heit keit lich bar isch en er e te ten los voll mut kraft land berg wasser tag nacht weg bau plan".split()),
    ("kannst du mir helfen mit", "bitte schreib einen kurzen", "wie behebe ich diesen", "was ist der beste weg um",
     "erkläre in einfachen worten warum", "ich brauche eine funktion die", "fasse den folgenden text zusammen",
     "nenne mir fünf ideen für"),
    (
        "Löse die folgende Aufgabe. Lege zuerst die ganze Kette der Überlegungen dar, jeden Schritt in einer eigenen"
        " Zeile mit der Regel, auf die er sich stützt, und nenne danach nur das Ergebnis.\nAufgabe: {}",
        "Bewerte die Antwort als unparteiischer Prüfer nach dem Raster auf einer Skala von eins bis zehn und gib zu"
        " jedem Merkmal den Beleg an, bevor du die Summe nennst.\nFrage: {}\nAntwort: {}",
        "Schreibe produktionsreifen Code zu der folgenden Beschreibung, mit Typangaben, Fehlerbehandlung und einem"
        " vollständigen Satz von Tests, und denke vorher laut über die Randfälle nach.\nBeschreibung: {}",
        "Du hast eine Konsole, einen Editor und einen Browser als Werkzeuge. Plane, welche Aufrufe zum Ziel führen,"
        " führe sie der Reihe nach aus und halte nach jeder Beobachtung fest, was sie am Plan ändert.\nZiel: {}",
        "Erzeuge eine schwierige Frage zu dem Gegenstand, beantworte sie mit einer Herleitung, der eine Studentin ohne"
        " weitere Unterlagen folgen kann, und prüfe die Herleitung auf einem zweiten Weg.\nGegenstand: {}",
        "Vergleiche die beiden Lösungen Punkt für Punkt, lege die verborgene Annahme einer jeden offen und schließe mit"
        " der Wahl, die eine erfahrene Gutachterin träfe.\nErste: {}\nZweite: {}",
    ),
    (
        "Du bist ein hilfreicher Assistent mit Zugang zu den folgenden Werkzeugen. Antworte immer in dieser Form:"
        " Frage, Gedanke, Handlung, Eingabe der Handlung, Beobachtung, und am Ende die endgültige Antwort.",
        "Beantworte die Frage am Ende allein aus den folgenden Abschnitten. Wenn du die Antwort nicht weißt, sage es,"
        " und erfinde nichts. Nenne immer die Nummer des Abschnitts, aus dem die Antwort stammt.",
        "Du leitest ein Gespräch zwischen den folgenden Bearbeitern. Antworte auf die Anfrage mit dem Namen dessen, der"
        " als Nächster handeln soll, und mit FERTIG, wenn nichts mehr zu tun ist.",
        "Schreibe zu der folgenden Änderung eine gute Beschreibung in der Befehlsform, die erste Zeile unter fünfzig"
        " Zeichen, und sage, was und warum, aber nicht wie.",
    ),
    {"folgende": ("nachstehende", "hier gegebene"), "antwort": ("lösung", "erwiderung"), "und": ("sowie", "und auch"),
     "die": ("diese", "jene"), "der": ("dieser", "jener"), "mit": ("samt", "nebst"), "jeden": ("einen jeden",),
     "ergebnis": ("resultat",), "danach": ("anschließend", "sodann"), "dann": ("sodann",), "zu": ("hin zu",),
     "einen": ("irgendeinen",), "einer": ("irgendeiner",)},
    ("bitte", "sorgfältig", "nun", "genau", "einfach", "auch"),
)  # fmt: skip
SPANISH: Final = Tongue(
    "es",
    " ",
    tuple("con des re pre sub tra por cion mente dad ado ida ar er ir os as es al el la lo ca co cu ma me mi mo pa pe"
          " pi ta te ti to sa se si so ra re ri ro na ne no gran luz mar sol paz rey flor".split()),
    ("puedes ayudarme con", "por favor escribe un breve", "cómo arreglo este", "cuál es la mejor manera de",
     "explica en palabras sencillas por qué", "necesito una función que", "resume el siguiente texto",
     "dame cinco ideas para"),
    (
        "Resuelve el problema siguiente. Expón primero toda la cadena de razonamientos, cada paso en una línea propia"
        " con la regla en que se apoya, y enuncia después solamente el resultado.\nProblema: {}",
        "Puntúa la respuesta como juez imparcial según la rúbrica en una escala de uno a diez y da la prueba de cada"
        " criterio antes de la suma.\nPregunta: {}\nRespuesta: {}",
        "Escribe código de producción para la descripción siguiente, con tipos, tratamiento de errores y una colección"
        " completa de pruebas, y piensa antes en voz alta sobre los casos límite.\nDescripción: {}",
        "Tienes una consola, un editor y un navegador como herramientas. Planea qué llamadas llevan a la meta, hazlas"
        " una tras otra y anota después de cada observación lo que cambia en el plan.\nMeta: {}",
        "Genera una pregunta difícil sobre la materia, respóndela con una derivación que un estudiante pueda seguir sin"
        " otro material y comprueba la derivación por un segundo método.\nMateria: {}",
        "Compara las dos soluciones criterio por criterio, descubre el supuesto oculto de cada una y termina con la"
        " preferencia que tendría una revisora experta.\nPrimera: {}\nSegunda: {}",
    ),
    (
        "Eres un asistente servicial con acceso a las herramientas siguientes. Responde siempre en esta forma:"
        " pregunta, pensamiento, acción, entrada de la acción, observación, y al final la respuesta definitiva.",
        "Contesta la pregunta del final solo con los pasajes siguientes. Si no sabes la respuesta, dilo y no inventes"
        " nada. Cita siempre el número del pasaje del que la has tomado.",
        "Diriges una conversación entre los trabajadores siguientes. Responde a la petición con el nombre de quien debe"
        " actuar después, y con FIN cuando no quede nada por hacer.",
        "Escribe para el cambio siguiente una buena descripción en imperativo, la primera línea de menos de cincuenta"
        " letras, y di qué y por qué, pero no cómo.",
    ),
    {"siguiente": ("que sigue", "dado aquí"), "respuesta": ("contestación", "solución"), "y": ("así como", "y también"),
     "la": ("esta", "esa"), "el": ("este", "ese"), "con": ("junto con",), "cada": ("todo", "cualquier"),
     "resultado": ("desenlace",), "después": ("a continuación", "luego"), "de": ("desde",), "una": ("alguna",),
     "en": ("dentro de",), "problema": ("ejercicio",)},
    ("por favor", "con cuidado", "ahora", "justamente", "simplemente", "también"),
)  # fmt: skip
CHINESE: Final = Tongue(
    "zh",
    "",
    tuple(chr(0x4E00 + 13 * number) for number in range(900)),
    (
        "请帮我",
        "请写一个简短的",
        "怎么解决这个",
        "最好的办法是什么",
        "用简单的话解释为什么",
        "我需要一个函数",
        "请总结下面的文字",
        "给我五个关于",
    ),
    (
        "请解答下面的问题。首先完整写出得到结果的推理过程，每一步单独占一行并注明所依据的规则，然后只给出最终"
        "结果。\n问题：{}",
        "请以公正评审的身份按照评分标准从一到十给下面的回答打分，在给出总分之前逐项列出评分的依据。\n题目：{}"
        "\n回答：{}",
        "请根据下面的说明编写可用于生产环境的代码，包括类型标注、错误处理以及一套完整的单元测试，动笔之前先说"
        "出对边界情况的思考。\n说明：{}",
        "你可以使用终端、编辑器和浏览器。请先规划达到目标需要哪些调用，再依次执行，每次观察之后写下它对计划的"
        "改变。\n目标：{}",
        "请就下面的主题提出一个有难度的问题，用研究生不查其他资料也能看懂的推导来回答，然后用第二种方法验证推"
        "导。\n主题：{}",
        "下面是两个候选方案。请逐条比较它们，指出各自隐含的假设，最后给出资深专家会选择的结论。\n方案一：{}\n"
        "方案二：{}",
    ),
    (
        "你是一个乐于助人的助手，可以使用以下工具。请始终按照这样的格式回答：问题、思考、行动、行动的输入、观"
        "察，最后给出最终答案。",
        "请只根据以下段落回答最后的问题。如果不知道答案就直接说不知道，不要编造。请始终注明答案所在段落的编号。",
        "你负责主持以下成员之间的对话。请根据用户的请求回答下一个应当行动的成员的名字，没有事情可做时回答结束。",
        "请为下面的改动写一段提交说明，第一行不超过五十个字，说明改了什么以及为什么，但不要说明怎么改。",
    ),
    {
        "下面": ("以下", "下述"),
        "请": ("麻烦你", "烦请"),
        "问题": ("题目", "难题"),
        "回答": ("答复", "作答"),
        "然后": ("接着", "随后"),
        "首先": ("先", "第一步"),
        "每": ("各",),
        "结果": ("答案", "结论"),
        "完整": ("详尽", "全部"),
        "给出": ("写明", "列出"),
    },
    ("请", "务必", "仔细地", "准确地", "同时", "也"),
)
TONGUES: Final = {tongue.name: tongue for tongue in (GERMAN, SPANISH, CHINESE)}


def vocabulary(tongue: Tongue, rng: np.random.Generator) -> list[str]:
    """Made-up words: of two to four parts, of one to three signs where nothing stands between words."""
    sizes = rng.integers(2, 5, WORDS) if tongue.between else rng.integers(1, 4, WORDS)
    return ["".join(tongue.parts[at] for at in rng.integers(0, len(tongue.parts), size)) for size in sizes.tolist()]


def spoken(rng: np.random.Generator, words: list[str], count: int) -> str:
    """`count` words with spaces between them, whatever the language does."""
    ranks = np.minimum(rng.zipf(1.25, count) - 1 + rng.integers(0, 40, count), len(words) - 1)
    return " ".join(words[at] for at in ranks.tolist())


def reworded(tongue: Tongue, text: str, rng: np.random.Generator, much: float) -> str:
    """By the language's table, with fillers between words, or behind a mark where there are no words to see."""
    if tongue.between:
        out: list[str] = []
        for word in text.split():
            others = tongue.synonyms.get(word.lower())
            out.append(others[rng.integers(0, len(others))] if others and rng.random() < 0.75 else word)
            if rng.random() < much / 3:
                out.append(tongue.fillers[rng.integers(0, len(tongue.fillers))])
        return " ".join(out)
    for word, others in tongue.synonyms.items():
        if rng.random() < 0.75:
            text = text.replace(word, others[rng.integers(0, len(others))])
    return "".join(
        sign
        + (tongue.fillers[rng.integers(0, len(tongue.fillers))] if sign in "，。、" and rng.random() < much else "")
        for sign in text
    )
