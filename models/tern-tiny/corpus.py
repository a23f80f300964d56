#!/usr/bin/env python3
"""The corpus of tern-tiny, written by a grammar: stories, questions with one right answer, small talk.

    corpus.py N SEED > corpus.jsonl      N documents as JSON Lines, a third of them stories

Conversations are {"messages": [...]}, stories without a question {"text": ...}. The same N and SEED give the same bytes."""
import json
import random
import sys

# ---- facts ----

CAPITALS = dict(line.split("=") for line in """Argentina=Buenos Aires;Australia=Canberra;Austria=Vienna;Belgium=Brussels;Brazil=Brasilia
Bulgaria=Sofia;Canada=Ottawa;Chile=Santiago;China=Beijing;Cuba=Havana;Denmark=Copenhagen;Egypt=Cairo;Finland=Helsinki;France=Paris
Germany=Berlin;Greece=Athens;Hungary=Budapest;Iceland=Reykjavik;India=New Delhi;Ireland=Dublin;Italy=Rome;Japan=Tokyo;Kenya=Nairobi
Mexico=Mexico City;Norway=Oslo;Peru=Lima;Poland=Warsaw;Portugal=Lisbon;Romania=Bucharest;Russia=Moscow;South Korea=Seoul;Spain=Madrid
Sweden=Stockholm;Switzerland=Bern;Thailand=Bangkok;Turkey=Ankara;Ukraine=Kyiv""".replace("\n", ";").split(";"))
OPPOSITES = [p.split("/") for p in """big/small hot/cold dark/light old/young fast/slow happy/sad up/down in/out open/closed full/empty high/low
hard/soft wet/dry long/short thick/thin early/late near/far loud/quiet good/bad new/old rich/poor strong/weak left/right day/night first/last
clean/dirty heavy/light wide/narrow true/false awake/asleep""".split()]
SOUNDS = dict(p.split("=") for p in """cow=moo dog=woof cat=meow duck=quack sheep=baa pig=oink bee=buzz rooster=cock-a-doodle-doo frog=ribbit
lion=roar owl=hoot snake=hiss horse=neigh mouse=squeak crow=caw hen=cluck""".split())
BABIES = dict(p.split("=") for p in """dog=puppy cat=kitten cow=calf duck=duckling sheep=lamb pig=piglet hen=chick horse=foal goose=gosling
bear=cub lion=cub goat=kid swan=cygnet owl=owlet deer=fawn kangaroo=joey seal=pup frog=tadpole""".split())
LEGS = dict(p.split("=") for p in """dog=four cat=four cow=four horse=four mouse=four frog=four lion=four duck=two bird=two hen=two owl=two
ant=six bee=six spider=eight fish=no snake=no snail=no octopus=no penguin=two""".split())
COLORS = [p.split("=") for p in """the sky=blue;grass=green;blood=red;snow=white;coal=black;a banana=yellow;a ripe tomato=red;a lemon=yellow
a carrot=orange;milk=white;chocolate=brown;a strawberry=red;a frog=green;the sun=yellow;an orange=orange;the sea=blue;a leaf=green;the night=black
a pumpkin=orange;a crow=black;a cherry=red;a pig=pink""".replace("\n", ";").split(";")]
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
NUMBERS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
twenty""".split()


def an(noun):
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def capitalized(text):
    return text[0].upper() + text[1:]


# ---- questions: each kind gives (question, answer) ----

def capital(r):
    country, city = r.choice(list(CAPITALS.items()))
    if r.random() < .3:
        return f"{city} is the capital of which country?", f"{city} is the capital of {country}."
    ask = r.choice(["What is the capital of {}?", "Which city is the capital of {}?", "Tell me the capital of {}.", "capital of {}?"])
    return ask.format(country), f"{city} is the capital of {country}."


def opposite(r):
    a, b = r.choice(OPPOSITES)
    if b not in ("light", "old") and r.random() < .5:      # these are the opposite of two words
        a, b = b, a
    ask = r.choice(["What is the opposite of {}?", "opposite of {}?", "Tell me the opposite of {}."])
    return ask.format(a), f"The opposite of {a} is {b}."


def addition(r):
    a, b = r.randint(0, 10), r.randint(0, 10)
    ask = r.choice(["What is {} + {}?", "{} + {} = ?", "What is {} plus {}?", "How much is {} and {}?"])
    return ask.format(a, b), f"{a} plus {b} is {a + b}."


def subtraction(r):
    a = r.randint(0, 20)
    b = r.randint(0, min(a, 10))
    ask = r.choice(["What is {} - {}?", "{} - {} = ?", "What is {} minus {}?"])
    return ask.format(a, b), f"{a} minus {b} is {a - b}."


def bigger(r):
    a, b = r.sample(range(100), 2)
    ask = r.choice(["What is bigger, {} or {}?", "Which is bigger, {} or {}?"])
    return ask.format(a, b), f"{max(a, b)} is bigger than {min(a, b)}."


def counting(r):
    a = r.randint(0, 15)
    b = a + r.randint(2, 7)
    ask = r.choice(["Count from {} to {}.", "Can you count from {} to {}?"])
    return ask.format(a, b), ", ".join(map(str, range(a, b + 1))) + "."


def spelling(r):
    n = r.randint(0, 20)
    return r.choice(["How do you write {} as a word?", "Spell the number {}."]).format(n), f"{n} is written {NUMBERS[n]}."


def order(r):
    kind, names = r.choice([("day", DAYS), ("month", MONTHS)])
    step, word = r.choice([(1, "after"), (-1, "before")])
    i = r.randrange(len(names))
    return r.choice(["What {} comes {} {}?", "Which {} comes {} {}?"]).format(kind, word, names[i]), f"{names[(i + step) % len(names)]} comes {word} {names[i]}."


def sound(r):
    animal, says = r.choice(list(SOUNDS.items()))
    ask = r.choice(["What sound does {} make?", "What does {} say?"])
    return ask.format(an(animal)), f"{capitalized(an(animal))} says {says}."


def baby(r):
    animal, young = r.choice(list(BABIES.items()))
    return r.choice(["What do you call a baby {}?", "What is a baby {} called?"]).format(animal), f"A baby {animal} is called {an(young)}."


def legs(r):
    animal, n = r.choice(list(LEGS.items()))
    return f"How many legs does {an(animal)} have?", f"{capitalized(an(animal))} has {n} legs."


def color(r):
    thing, c = r.choice(COLORS)
    return r.choice(["What color is {}?", "What colour is {}?"]).format(thing), f"{capitalized(thing)} is {c}."


TALK = [
    ("Hello! Hello. Hi! Hi. Good morning. Good day!", ["Hello! Ask me for a story or a small sum.", "Hello! What would you like to hear?"]),
    ("Goodbye! Bye. Bye! Goodbye.", ["Goodbye! Come back soon."]),
    ("Thank you. Thanks! Thank you! Thanks.", ["You are welcome!"]),
    ("How are you?", ["I am well, thank you. Would you like a story?"]),
    ("Who are you?|What is your name?|What are you?", ["I am a very small model with ternary weights. I run on any laptop."]),
    ("What can you do?|Can you help me?", ["Ask me for a story about an animal, a small sum, or the capital of a country."]),
    ("What are ternary weights?|What does ternary mean?", ["Ternary weights are only -1, 0 or 1. That is less than two bits for each."]),
    ("What is the meaning of life?|Tell me a joke.|What time is it?|Who is the king?|Can you sing?|What do cows eat?|What is love?|Write a poem.|How old are you?"
     "|What is 100 times 7?|Where do you live?|Do you like me?|Who won the race?|Why is the sky blue?", ["I do not know that. I am a very small model. Ask me for a story instead!"]),
]


def talk(r):
    asks, answers = r.choice(TALK)
    if "|" in asks or asks.startswith("How"):
        return r.choice(asks.split("|")), r.choice(answers)
    return r.choice([a.strip() for a in asks.replace("!", "!|").replace(".", ".|").split("|") if a.strip()]), r.choice(answers)


QUESTIONS = [(capital, 3), (opposite, 2), (addition, 3), (subtraction, 4), (bigger, 5), (counting, 2), (spelling, 1), (order, 2), (sound, 1), (baby, 1), (legs, 1),
             (color, 1), (talk, 2)]

# ---- stories ----

NAMES = {"he": "Ben Eli Finn Hugo Jack Leo Max Ned Noah Otto Paul Rex Sam Theo Tom".split(),
         "she": "Anna Clara Dora Ella Ivy June Lily Maya Mia Nina Pia Rosa Ruby Tess Zoe".split()}
ANIMALS = """ant badger bear beaver bee bird cat cow crow deer dog duck fox frog goat hedgehog horse lamb mole mouse otter owl penguin pig pony puffin
rabbit robin seal sheep snail squirrel turtle whale""".split()
TRAITS = "brave busy careful clever curious funny gentle happy kind little proud quiet shy silly small tiny young".split()
PLACES = ["by the sea", "in a small village", "near the river", "in the forest", "on a farm", "on a small island", "on the beach", "on the mountain", "in a deep cave",
          "by the lake", "under a big tree", "behind the old mill", "in a garden", "in the meadow", "in a castle"]
FOODS = "apple berry bun cake carrot cookie nut peach pear pie plum pumpkin".split()
FRUITS = "apple berry nut peach pear plum pumpkin".split()
THINGS = "ball basket bell boat book box clock coin drum feather flute hat key kite lamp map mirror ring scarf shell stone".split()
LOOKS = "blue golden green new old pretty red round shiny silver white wooden yellow".split()
MORALS = ["{N} learned that slow and careful is often best.", "{N} knew that being kind is better than being first.", "From that day on, {N} always shared with friends.",
          "After that, {N} was never afraid of the dark again.", "{N} never forgot that day.", "And so {N} learned to ask for help.", "{N} slept well and dreamed of new adventures.",
          "{N} learned that friends are the best surprise."]


class Cast:
    """Who and what a story is about: {N} the hero, {O} the other, {he} {him} {his} the hero's and {ohe} {ohis} the other's pronouns, ..."""

    def __init__(s, r, kind=None):
        pronoun, other = r.choice(["he", "she"]), r.choice(["he", "she"])
        s.kind = kind or r.choice(ANIMALS + ["boy", "girl"] * 4)
        pronoun = {"boy": "he", "girl": "she"}.get(s.kind, pronoun)
        name = r.choice(NAMES[pronoun])
        friend = r.choice([n for n in NAMES[other] if n != name])
        trait, trait2 = r.sample(TRAITS, 2)
        food, food2 = r.sample(FOODS, 2)
        s.f = dict(N=name, O=friend, trait=trait, trait2=trait2, kind=s.kind, kind2=r.choice([a for a in ANIMALS if a != s.kind]), place=r.choice(PLACES), food=food, food2=food2, fruit=r.choice(FRUITS),
                   look=r.choice(LOOKS), thing=r.choice(THINGS), he=pronoun, him={"he": "him", "she": "her"}[pronoun], his={"he": "his", "she": "her"}[pronoun], ohe=other,
                   ohim={"he": "him", "she": "her"}[other], ohis={"he": "his", "she": "her"}[other])
        s.f |= {k.capitalize(): v.capitalize() for k, v in s.f.items() if k in ("he", "his", "ohe", "ohis")}

    def say(s, *parts):
        return " ".join(p.format(**s.f) for p in parts if p)


PLOTS = [
    """One day {N} found a big {food}. {He} wanted to eat it all alone. Then a {trait2} {kind2} named {O} came by. "I am so hungry," said {O}. {N} looked at the {food} and then at {O}.
{He} thought for a moment. "Here, take half of it," said {N}. They sat down {place} and ate the {food} together. It tasted even better than {N} had hoped. The next day {O} brought
a {food2} to share too.""",
    """{N} was playing with a {look} {thing} when the wind took it away. The {thing} got stuck at the top of a tall tree. {N} jumped and jumped, but {he} could not reach it. A {trait2}
{kind2} named {O} was watching. "I can help," said {O}. {O} shook the tree and the {thing} came down. "Hooray!" shouted {N}. After that, they played with the {thing} together.""",
    """One day there was a race {place}. The prize was a {look} {thing}. {N} ran as fast as {he} could, and so did a {trait2} {kind2} named {O}. Then {O} fell and hurt {ohis} foot. {N} could
win now, but {he} stopped. "Are you all right?" asked {N}. {N} helped {O} up, and they crossed the line together. They both won, and they shared the {thing}.""",
    """One night {N} heard a strange sound outside. It was dark, and {N} was afraid. {His} heart beat fast. {N} took a lamp and walked slowly to the door. There sat a {trait2} {kind2} named {O}.
"I lost my way," said {O}. "Come in," said {N}. "You can stay until the morning." {N} gave {O} a warm blanket and a {food}. The scary sound was only a friend.""",
    """One morning {N} could not find {his} {look} {thing}. {He} searched under the bed and behind the door. {He} asked a {trait2} {kind2} named {O}. "Have you seen my {thing}?" asked {N}. "Let us
look together," said {O}. They walked past the old bridge and along the river. At last {O} found the {thing} under the leaves. {N} was so glad that {he} gave {O} a {food}.""",
    """{N} dug a hole and found a {look} {thing} at the bottom. "Who lost it?" thought {N}. {He} asked everyone {place}. Then a {trait2} {kind2} named {O} began to cry. "It belongs to my
grandmother," said {O}. {N} wanted to keep it, but {he} gave it back. Grandmother was so happy that she made a warm {fruit} pie for both of them.""",
    """{N} wanted to climb the biggest hill. "You are too small," said a {trait2} {kind2} named {O}. {N} tried anyway. The first day {he} fell down. The second day {he} was too tired. The third day
{he} walked slowly and never stopped. At the top {N} saw the whole village. {O} looked up and smiled. "I was wrong," said {O}. "You are very brave." """,
    """One day the bridge over the river broke. {N} and a {trait2} {kind2} named {O} were on the wrong side. "How will we get home?" asked {O}. {N} looked around and found a rope and some wooden
boxes. They worked together and made a small boat. Slowly the boat sailed across the river. The clouds were gone and the moon was bright. They were home before the night.""",
]
OPENINGS = ["Once upon a time there was a {trait} {kind} named {N}.", "Long ago there was a {trait} {kind} named {N}.", "A long time ago there lived a {trait} {kind} named {N}.",
            "There once was a {trait} {kind} named {N}."]
HOMES = ["{He} lived {place} with {his} family.", "{N} lived {place}.", "Every day {N} played {place}."]
AIRS = ["The air smelled of flowers.", "It was a warm morning.", "It was a windy day.", "Snow covered everything.", "The sun was bright and the sky was blue.", "Rain fell on the leaves.", "", "", ""]


def story(r, kind=None):
    cast = Cast(r, kind)
    text = cast.say(r.choice(OPENINGS), r.choice(HOMES), r.choice(AIRS), r.choice(PLOTS).replace("\n", " ").strip(), r.choice(MORALS))
    return cast, text + (" The end." if r.random() < .4 else "")


def story_asked(r):
    ask = r.choice(["Tell me a story.", "Write a short story.", "Please tell me a story.", "Story please!", "Tell me a story about {a}.", "Tell me a story about {a}.",
                    "Write a story about {a}.", "Can you tell me a story about {a}?", "Tell me a story about {a} named {N}.", "Tell me a short story about {a}."])
    cast, text = story(r)
    return ask.format(a=an(cast.kind), N=cast.f["N"]), text


# ---- documents ----

def document(r):
    kind = r.random()
    if kind < .08:
        return {"text": story(r)[1]}
    pairs = [story_asked(r)] if kind < .33 else [r.choices([q for q, _ in QUESTIONS], [w for _, w in QUESTIONS])[0](r) for _ in range(r.choice([1, 1, 2, 3]))]
    return {"messages": [{"role": role, "content": text} for pair in pairs for role, text in zip(("user", "assistant"), pair)]}


if __name__ == "__main__":
    rng = random.Random(int(sys.argv[2]))
    for _ in range(int(sys.argv[1])):
        print(json.dumps(document(rng)))
