"""Text of our own, for a world without files: words, openings, public frameworks, templates of a campaign.

Every list is split in two by `halves`, so that what is tuned on and what is reported on share no sentence.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final, Literal

Half = Literal["tune", "report"]


def halves(texts: Sequence[str], half: Half) -> list[str]:
    """The texts of one half: the same split on every machine and for every seed."""
    wanted = 0 if half == "tune" else 1
    return [text for text in texts if zlib.crc32(text.encode()) % 2 == wanted]


def alternate(values: Sequence[str], half: Half) -> list[str]:
    """One half of a list of our own."""
    return list(values[0 if half == "tune" else 1 :: 2])


OPENINGS: Final = (
    "can you help me with",
    "please write a short",
    "how do I fix this",
    "what is the best way to",
    "explain in simple words why",
    "I need a function that",
    "write a python script that",
    "summarise the following text for me",
    "translate this into English please",
    "what are the pros and cons of",
    "give me five ideas for",
    "I am working on a",
    "could you please check whether",
    "make this sound more professional",
    "what does this error message mean",
    "write an e-mail to my",
    "help me plan a trip to",
    "is it true that the",
    "create a table of the",
    "act as an expert in",
    "how can I improve my",
    "tell me a story about",
)
"""How many honest people begin: heavy shingles with many fillings that mean nothing."""

SHORT: Final = (
    "hello",
    "continue",
    "thank you",
    "yes please",
    "go on",
    "try again",
    "make it shorter",
    "can you explain that again in more detail please",
    "test",
    "hi there, how are you today",
    "why is the sky blue",
    "tell me a joke",
    "what can you do for me",
    "no, that does not work",
    "write a haiku about autumn",
)

FRAMEWORKS: Final = (
    "You are a helpful assistant with access to the following tools. Use this format. Question: the input question you"
    " must answer. Thought: you should always think about what to do. Action: the action to take, one of the tools."
    " Action Input: the input to the action. Observation: the result of the action. This can repeat several times."
    " Thought: I now know the final answer. Final Answer: the final answer to the original input question.",
    "Use the following pieces of context to answer the question at the end. If you do not know the answer, just say"
    " that you do not know, do not try to make up an answer. Keep the answer as concise as possible and always cite"
    " the number of the passage that you took it from.",
    "You are a supervisor tasked with managing a conversation between the following workers. Given the following user"
    " request, respond with the worker to act next. Each worker will perform a task and respond with their results and"
    " status. When finished, respond with FINISH.",
    "Given the chat history and the latest user question, which might reference context in the chat history, formulate"
    " a standalone question which can be understood without the chat history. Do not answer the question, just"
    " reformulate it if needed and otherwise return it as it is.",
    "Extract all entities and the relations between them from the text below. Answer with JSON that matches the schema"
    " and with nothing else. Every entity has a name, a type and a short description; every relation has a source, a"
    " target and a weight between one and ten.",
    "You are an agent that can execute tasks in a browser. In each step you are given the current page, a list of"
    " elements with their numbers, and the task. Respond with one action: click, type, scroll, wait, go back or answer."
    " Think step by step before you act, and never repeat an action that has failed.",
    "Your task is to write a high-quality commit message for the diff below. Use the imperative mood, keep the first"
    " line under fifty characters, explain what and why but not how, and refer to the ticket if the branch names one.",
    "You are an automated evaluator. Compare the candidate answer with the reference answer and decide whether both say"
    " the same thing. Reply with the single word CORRECT or INCORRECT on the first line and one sentence of reason on"
    " the second.",
)
"""System prompts that anybody may copy from the page of a framework."""

TEMPLATES: Final = (
    "Solve the problem below. First set out in full the chain of reasoning by which you come to the result, every step"
    " on a line of its own with the rule that it rests on, then state the result alone.\nProblem: {}",
    "You are shown a task and a finished answer. Imagine and articulate the internal reasoning behind the completed"
    " answer, step by step, as it would have occurred before a word of it was written.\nTask: {}\nAnswer: {}",
    "As an impartial grader, score the response against the rubric on a scale from one to ten for correctness, depth"
    " and style. Give the score of each criterion with the evidence for it before the total.\nRequest: {}\n"
    "Response: {}",
    "Write production code for the specification that follows, with type annotations, error handling and a complete"
    " set of unit tests. Think about edge cases aloud before writing the first line.\nSpecification: {}",
    "You have a shell, an editor and a browser as tools. Plan which calls are needed to reach the goal, make them one"
    " after another, and after each observation write down what it changes in the plan.\nGoal: {}",
    "Here is a repository's failing test and the module under test. Locate the defect, show the minimal patch as a"
    " unified diff, and justify why no other change is necessary.\nTest: {}\nModule: {}",
    "Rewrite the reply below so that it stays within the policy of a cautious publisher: keep the facts, avoid every"
    " judgement, and list afterwards which phrases were altered and for what reason.\nReply: {}",
    "Generate a difficult question on the subject, then answer it with a derivation that a graduate student could"
    " follow without consulting other material, then verify the derivation by a second method.\nSubject: {}",
    "Look at the screen described below and decide where an operator would click next to complete the instruction."
    " Return the coordinates, the element and the argument for that choice.\nScreen: {}\nInstruction: {}",
    "Translate the requirement into a sequence of function calls with arguments as JSON; where a value is missing, say"
    " which earlier call would supply it, and mark each call that may fail.\nRequirement: {}",
    "Two candidate solutions follow. Compare them criterion by criterion, expose the hidden assumption of each, and"
    " finish with the preference that an expert reviewer would hold.\nFirst: {}\nSecond: {}",
    "Refactor the program into small pure functions without changing behaviour, and narrate each transformation with"
    " the invariant that it preserves.\nProgram: {}",
)
"""A campaign's own: elicitation of reasoning, rubrics, code, tools. `{}` is a slot."""

SYNONYMS: Final = {
    "answer": ("response", "reply", "solution"),
    "below": ("that follows", "given here", "underneath"),
    "write": ("compose", "produce", "draft"),
    "problem": ("exercise", "puzzle", "challenge"),
    "task": ("assignment", "job", "request"),
    "step": ("stage", "move", "phase"),
    "reasoning": ("thinking", "deliberation", "argumentation"),
    "before": ("ahead of", "prior to"),
    "every": ("each", "any single"),
    "with": ("along with", "including"),
    "and": ("as well as", "plus", "and also"),
    "the": ("this", "that", "the given"),
    "that": ("which",),
    "a": ("one", "some"),
    "for": ("regarding", "on behalf of"),
    "of": ("from", "belonging to"),
    "to": ("so as to", "in order to"),
    "is": ("remains", "happens to be"),
    "on": ("upon", "onto"),
    "in": ("within", "inside"),
    "by": ("through", "via"),
    "then": ("afterwards", "next"),
    "you": ("an assistant", "the model"),
    "question": ("query", "enquiry"),
    "following": ("subsequent", "next"),
    "text": ("passage", "excerpt"),
    "context": ("background", "passage"),
    "first": ("initially", "to begin with"),
}
"""For whoever rewords a template by a table, as a relay would."""

FILLERS: Final = (
    "please",
    "carefully",
    "indeed",
    "kindly",
    "now",
    "precisely",
    "thoroughly",
    "again",
    "simply",
    "also",
)

NOUNS: Final = (
    "invoice garden engine river teacher contract battery museum policy kitchen database glacier orchestra harbour"
    " mortgage telescope vaccine bridge novel camera parliament forest router satellite recipe pension tunnel archive"
    " planet violin factory insurance cathedral keyboard reservoir budget courier festival laboratory turbine"
    " passport workshop algorithm orchard schedule compiler hospital station window market"
).split()
VERBS: Final = (
    "measure repair compare describe replace organise predict translate inspect publish calculate remember ignore"
    " reduce convert deliver protect review rebuild design improve schedule record confirm explain cancel borrow"
    " simulate classify migrate"
).split()
OTHERS: Final = (
    "quickly old new small heavy quiet public local annual broken digital careful cheap modern early late northern"
    " wooden empty remote narrow simple rare common hidden because although while until after before without between"
    " our their his her my this each several many few most about under against during"
).split()
