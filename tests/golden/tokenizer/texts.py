"""The texts whose ids are golden: prose, code, numbers, blanks, scripts, emoji, marks, controls, random mixtures."""

import random

PROSE = [
    "",
    " ",
    "a",
    "Hello, world!",
    " Hello",
    "The quick brown fox jumps over the lazy dog. The dog, it's said, didn't mind.",
    "In 1859, Charles Darwin published \"On the Origin of Species\"; few books changed so much.",
    "It was the best of times, it was the worst of times \u2014 or so they\u2019d say \u2026",
    "I'm you're he'll we've they'd can't it's 'tis 'Twas rock'n'roll o'clock",
    "I'M YOU'RE HE'LL WE'VE THEY'D CAN'T IT'S I'Ll We'vE 'S 'T 'x '' ' '",
    "don''t'' 'll'll've've're're's's 'sure 'stop 'mid 'red",
    "e-mail: someone@example.org, see https://example.org/a/b?c=d&e=f#g (really!)",
    "MixedCaseIdentifiersAndsnake_case_names, kebab-case, SCREAMING_CASE, x1y2z3",
    "Mr. Dr. e.g. i.e. U.S.A. etc.... ?!?! --- *** ### @@@ $$$ %%% ^^^ &&& ((( ))) ~~~ ``` ||| <<< >>>",
]
CODE = [
    "int main(void) {\n    printf(\"%d\\n\", 42);\n    return 0;\n}\n",
    "def f(x):\n\tif x == None:\n\t\treturn [i**2 for i in range(10)]\n\treturn {'a': 1}\n",
    "for (size_t i = 0; i < n; ++i) { sum += a[i] * b[i]; }  // dot product\r\n",
    "SELECT * FROM t WHERE a >= 10 AND b != 'x''y' ORDER BY c DESC;",
    "<html><body class=\"x\"><p>Text&nbsp;here</p><table><tr><td>1</td></tr></table></body></html>",
    "#include <vector>\n#define X(a,b) ((a)+(b))\nauto f = [&](auto&&... xs) -> int { return (xs + ...); };",
    "{\"key\": [1, 2.5, -3e10, null, true], \"nested\": {\"k\": \"v\"}}",
    "$ ls -la | grep '^d' | awk '{print $9}' > out.txt 2>&1",
    "\\frac{a}{b} + \\sum_{i=0}^{n} x_i^2 = \\alpha\\beta",
]
NUMBERS = [
    "0 1 12 123 1234 12345 123456 1234567 1234567890",
    "3.14159 -2.71828 1e-10 6.02E+23 0xDEADBEEF 0b1010 1_000_000 1,000,000.00",
    "2024-02-29T23:59:59.999Z +49 (0)30 1234-5678 192.168.0.1 50% $1,234.56 \u20ac99",
    "a1b22c333d4444 1a 22b 333c",
    "\u00bd \u00b2\u00b3 \u2167 \u2460 \u0663\u0664\u0665\u0666 12\u0663456 \u096b\u096c\u096d \uff11\uff12\uff13 1\u00bd2 \u3007",
    "100000000000000000000000000000000000000000000000000",
]
BLANKS = [
    "  ",
    "   ",
    " " * 16,
    " " * 33 + "x",
    "a  b   c    d     e",
    "trailing   ",
    "   leading",
    "\n",
    "\n\n",
    "\n\n\n\n\n",
    "\n" * 40,
    "\t",
    "\t\t\t",
    "\t" * 35 + "x",
    "a\nb\n\nc\n\n\nd",
    "a \n b\n \nc \n\n d",
    "  \n  \n\n  x",
    "\r\n\r\nx\r\n y\r z",
    "\n \t\n\t x \t \t y",
    "x\u00a0y\u2003\u2003z\u3000w\u0085v\u2028u\u2029t\u1680s\u202fr",
    " \u00a0 x \u3000 y\u2009",
    "a\u200bb\ufeffc\u2060d\u00ade",
    "\x0b\x0c x\x0b\x0cy",
    ".\n\n..\r\n ...\n x!\n\n\n",
    "x\u2581y \u2581\u2581 z",
    " .  ..   ...    !",
]
SCRIPTS = [
    "Fran\u00e7ais : l\u2019\u00e9t\u00e9, o\u00f9 \u00eates-vous ? C\u0153ur na\u00efve \u00c7a va ?",
    "Stra\u00dfe \u00dcbergr\u00f6\u00dfe \u00c4rger; Zażółć gęślą jaźń; Příliš žluťoučký kůň; İstanbul ılık ğüşöç",
    "Tiếng Việt có nhiều dấu thanh: ầ ấ ẩ ẫ ậ",
    "Ελληνικά: Το γρήγορο καφέ άλογο πηδάει. ΆΈΉ ΐΰ",
    "Русский: Съешь же ещё этих мягких французских булок, да выпей чаю. Українська: ґрунт їжак",
    "العربية: السلام عليكم ورحمة الله وبركاته. مُحَمَّد ١٢٣٤",
    "עברית: שָׁלוֹם עולם, מה נשמע?",
    "हिन्दी: नमस्ते दुनिया, क्या हाल है? क्षत्रिय १२३",
    "বাংলা: আমার সোনার বাংলা, আমি তোমায় ভালোবাসি। ৪৫৬",
    "தமிழ்: வணக்கம் உலகம், எப்படி இருக்கிறீர்கள்?",
    "తెలుగు: నమస్కారం; ಕನ್ನಡ: ನಮಸ್ಕಾರ; മലയാളം: നമസ്കാരം; ગુજરાતી: નમસ્તે; ਪੰਜਾਬੀ: ਸਤ ਸ੍ਰੀ ਅਕਾਲ",
    "ไทย: สวัสดีชาวโลก วันนี้อากาศดีมาก ๑๒๓",
    "ລາວ: ສະບາຍດີ; ខ្មែរ: សួស្តី; မြန်မာ: မင်္ဂလာပါ; བོད་ཡིག: བཀྲ་ཤིས་བདེ་ལེགས།",
    "ქართული: გამარჯობა მსოფლიო. ႠႡႢ",
    "Հայերեն: Բարև աշխարհ։ Ինչպե՞ս եք",
    "አማርኛ: ሰላም ለዓለም፣ እንዴት ነህ? ፩፪፫",
    "中文：你好，世界！今天天气怎么样？繁體字：龍龜麵。",
    "日本語：こんにちは世界。カタカナ、ﾊﾝｶｸ、漢字とひらがな。〜ー",
    "한국어: 안녕하세요 세계! 오늘 날씨가 좋네요. \u1112\u1161\u11ab",
    "ᠮᠣᠩᠭᠣᠯ ᏣᎳᎩ ᐃᓄᒃᑎᑐᑦ ⴰⵎⴰⵣⵉⵖ ߒߞߏ ꦗꦮ",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟘𝟙𝟚 𐌰𐌱𐌲 𓀀𓀁 𠀀𠀁 🜁",
    "Ｆｕｌｌｗｉｄｔｈ ﬁ ﬂ ﬃ ℃ № ™ ℵ Ⅳ",
    "Z\u0361\u0300alg\u0489o e\u0301e\u0300 n\u0303 a\u0308\u0304 \u0301start \u0301\u0302\u0303",
    "\u0915\u094d\u200d\u0937 \u0915\u094d\u200c\u0937 \u05e9\u05c1\u05b8 \u0e01\u0e34\u0e49",
]
EMOJI = [
    "😀 😃😄 😁",
    "👩\u200d💻 👨\u200d👩\u200d👧\u200d👦 🏳\ufe0f\u200d🌈 🏴\u200d☠\ufe0f",
    "👍🏻👍🏼👍🏽👍🏾👍🏿 🧑🏽\u200d🤝\u200d🧑🏿",
    "🇩🇪🇫🇷 🇯🇵 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "❤\ufe0f ☺ ☎\ufe0e 1\ufe0f\u20e3 #\ufe0f\u20e3 ©\ufe0f",
    "text🙂text 🙂🙂 🙂's !🙂! 1🙂2",
    "→ ⇒ ≠ ≤ ∑ √ ∞ ∫ ░▒▓ ┌─┐ ♠♥ ★☆ ☀",
]
CONTROLS = [
    "\x00",
    "a\x00b\x00\x00c",
    "".join(chr(c) for c in range(1, 32)),
    "\x7f\x80\x81\x9f",
    "\x1b[31mred\x1b[0m\x07",
    "\ue000\uf8ff\U000f0000\U0010fffd",
    "\u0378\u0379 \u0530 \ufffe\uffff\U0001fffe\U000e0080\U00050000",
    "\ufffd\ufffc \u202ertl\u202c \u061c",
]
SPELT = [
    "<|im_start|>user\nHi<|im_end|>\n<|endoftext|>",
    "<bos><eos><pad><unk><start_of_turn>model\n<end_of_turn>",
    "<0x0A><0x41> <s></s> [INST] [multimodal]",
    "<table><tr><td>a</td></tr></table>  \n\n<h1>T</h1><<b>><b",
]
ALPHABET = (
    "aaabcdefZ\u00c9\u00df\u00f1   \n\n\t\r0123456789''stmdrevlSTMDREVL..,!?-_()[]{}<>|~^$+=`@#%&*/\\\"\u00a0\u2003\u3000"
    "\u200d\ufe0f\u0301\u0308αβΓДжשלأرहिन्दকক্তதமไทยქართհայአማ中文日本カナ한글😀🏽👩💻🇩🇪²½Ⅷ٣४\u0378\U00050000\ue000\x01\x1f\x7f€ªʰ"
)


def mixtures(count=120, seed=20):
    source = random.Random(seed)
    return ["".join(source.choice(ALPHABET) for _ in range(source.randint(2, 30))) for _ in range(count)]


# Read as the formats read control tokens that are asked for.
SPECIAL = SPELT + [
    "<|im_start|><|im_end|>a <|im_end|> b<|im_start",
    "x<bos>y<end_of_turn> z\n<start_of_turn>",
    " <eos> <|endoftext|> ",
]
PLAIN = PROSE + CODE + NUMBERS + BLANKS + SCRIPTS + EMOJI + CONTROLS + SPELT + mixtures()
