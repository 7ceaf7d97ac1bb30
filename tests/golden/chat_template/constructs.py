"""Small templates, one construct each, over the variables of make.py's CONSTRUCT_INPUT."""

CONSTRUCTS = r'''
plain text
a{{ "b" }}c
{{ 'single' "double" 'joined' }}
{{ 'esc \n \t \\ \' \" \a\b\f\v \x41 \101 \u00e9 \U0001f600 \q' }}
{{ 1 }} {{ 1.0 }} {{ 1e3 }} {{ 1.5e-7 }} {{ 1e16 }} {{ 123456789.125 }} {{ 1_000 }} {{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 00 }}
{{ true }} {{ True }} {{ false }} {{ False }} {{ none }} {{ None }}
{{ [1, 'a', none, true, 2.5] }} {{ (1, 'a') }} {{ (1,) }} {{ () }} {{ {'a': 1, 'b': [2]} }} {{ [] }} {{ {} }}
{{ ["it's", 'say "x"', 'both \' "', 'back\\slash', 'tab\t', 'é', '\x7f', '\u200b', '\u2028', '\U0001f600'] }}
{{ 1, 2 }}
{{ undefined_name }}|{{ undefined_name is defined }}|{{ undefined_name | default('d') }}
{{ undefined_name.x }}
{{ undefined_name + 1 }}
{{ undefined_name ~ 'x' }}
{{ undefined_name == undefined_other }} {{ undefined_name == none }} {{ not undefined_name }}
{% for x in undefined_name %}a{% else %}empty{% endfor %}
{{ 1 + 2 * 3 - 4 }} {{ 7 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 2 ** 10 }} {{ 2 ** -1 }}
{{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 1 / 3 }} {{ 2 ** 0.5 }} {{ 10 / 5 }}
{{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ (1 + 2) * 3 }}
{{ true + true }} {{ 1 == true }} {{ 1 == 1.0 }} {{ '1' == 1 }}
{{ 'a' + 'b' }} {{ 'ab' * 3 }} {{ 3 * 'ab' }} {{ 'x' * -1 }}| {{ [1] + [2] }} {{ [0] * 3 }} {{ (1,) + (2,) }}
{{ 'a' ~ 1 ~ none ~ 2.5 ~ [1] }}
{{ 1 + 'a' }}
{{ 'a' + 1 }}
{{ 1 / 0 }}
{{ 1 % 0 }}
{{ -5 }} {{ +5 }} {{ --5 }}
{{ - 'a' }}
{{ +true }}
{{ 1 < 2 }} {{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }} {{ 1 <= 1 }} {{ 2 >= 3 }} {{ 1 != 2 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }}
{{ 1 < 'a' }}
{{ 'a' in 'cat' }} {{ 'x' not in 'cat' }} {{ 1 in [1, 2] }} {{ 'k' in {'k': 1} }} {{ '' in 'a' }} {{ not 'a' in 'cat' }}
{{ 1 in 'cat' }}
{{ true and false or true }} {{ not true }} {{ 1 and 'x' }} {{ 0 or 'y' }} {{ '' or none }} {{ not not 1 }}
{{ 'yes' if true else 'no' }} {{ 'yes' if false else 'no' }} {{ 'yes' if false }}| {{ 1 if 0 else 2 if 0 else 3 }}
{{ (1 if true else 2) + 1 }}
{{ mapping.a }} {{ mapping['a'] }} {{ mapping.missing }} {{ mapping['missing'] }} {{ mapping.get('a') }} {{ mapping.get('zz') }} {{ mapping.get('zz', 5) }}
{{ mapping.items is defined }} {{ mapping.items() | list }} {{ mapping['items'] is defined }} {{ mapping.keys() | list }} {{ mapping.values() | list }}
{{ mapping.nested.deep[1] }} {{ mapping.nested['deep'][-1] }} {{ mapping.nested.deep.0 }}
{{ numbers[0] }} {{ numbers[-1] }} {{ numbers[99] }}| {{ numbers.0 }} {{ numbers[1:3] }} {{ numbers[:-1] }} {{ numbers[::2] }} {{ numbers[::-1] }} {{ numbers[5:1:-2] }} {{ numbers[10:] }} {{ numbers[-2:] }}
{{ numbers[::0] }}
{{ 'héllo'[1] }} {{ 'héllo'[1:3] }} {{ 'héllo'[::-1] }} {{ 'héllo'[-1] }} {{ 'abc'[5] }}| {{ 'abcdef'[4:1:-1] }}
{{ none.x }}
{{ none.x.y }}
{{ numbers['x'] }}|{{ 'abc'['upper']() }}
{{ numbers | length }} {{ 'héllo' | length }} {{ mapping | length }} {{ [] | count }} {{ undefined_name | length }}
{{ 5 | length }}
{{ '  x y \n' | trim }}| {{ 'xxaxx' | trim('x') }} {{ '\u2003a\u3000' | trim }}|
{{ 'heLLo wOrld' | upper }} {{ 'HeLLo' | lower }} {{ 'heLLo wOrld' | capitalize }} {{ "heLLo wOrld-foo (bar) it's" | title }} {{ 'straße éa' | upper }} {{ 'ÉÀ' | lower }}
{{ "they're bill's friends FROM the uk".title() }} {{ 'ab1cd ef'.title() }}
{{ [1, 2, 3] | join }} {{ [1, 2, 3] | join(', ') }} {{ records | join('-', attribute='name') }} {{ 'abc' | join('.') }}
{{ [3, 1, 2] | first }} {{ [3, 1, 2] | last }} {{ [] | first }}| {{ 'abc' | first }} {{ 'abc' | last }} {{ mapping | first }}
{{ none | default('x') }} {{ none | default('x', true) }} {{ '' | default('x', boolean=true) }} {{ undefined_name | default }}| {{ undefined_name | d(7) }}
{{ records | map(attribute='name') | list }} {{ ['a', 'b'] | map('upper') | list }} {{ records | map(attribute='zz', default='-') | list }} {{ records | map(attribute='sub.x') | list }} {{ [' a '] | map('trim') | join }}
{{ ['ab'] | map('replace', 'a', 'c') | list }} {{ none | map('upper') | list }} {{ [[1, 2], [3]] | map('first') | list }} {{ [[1, 2], [3, 4]] | map(attribute=1) | list }}
{{ records | selectattr('role', 'equalto', 'user') | map(attribute='name') | list }} {{ records | rejectattr('role', 'equalto', 'user') | list | length }} {{ records | selectattr('sub') | list | length }} {{ records | selectattr('zz', 'defined') | list }}
{{ [1, 2, 3, 4] | select('odd') | list }} {{ [1, 2, 3, 4] | reject('odd') | list }} {{ [0, 1, '', 'a'] | select | list }} {{ [1, 5] | select('gt', 3) | list }} {{ ['a', 'b'] | reject('in', ['a']) | list }} {{ [3, 4] | reject('equalto', 3) | list }}
{% if records | selectattr('role', 'equalto', 'nobody') %}generator is true{% endif %}
{% set g = [1, 2] | map('string') %}{{ g | list }} {{ g | list }}
{% set g = [1, 2, 3] | map('string') %}{{ g | first }} {{ g | list }}
{{ ([1] | map('string')) | length }}
{{ mapping | items | list }} {% for k, v in mapping | items %}{{ k }}={{ v }};{% endfor %} {{ undefined_name | items | list }}
{{ [1] | items | list }}
{{ 'abc' | list }} {{ (1, 2) | list }} {{ mapping | list }} {{ {'b': 1, 'a': 2} | list }}
{{ 5 | string }} {{ none | string }} {{ [1, 'a'] | string }} {{ 2.0 | string }} {{ true | string | length }}
{{ '42' | int }} {{ ' 42 ' | int }} {{ '4.7' | int }} {{ 'x' | int }} {{ 'x' | int(9) }} {{ 4.9 | int }} {{ -4.9 | int }} {{ true | int }} {{ none | int }} {{ '-3' | int }} {{ '+3' | int }} {{ '1e3' | int }}
{{ '4.5' | float }} {{ 'x' | float }} {{ 3 | float }} {{ 'x' | float(1.5) }} {{ ' 2 ' | float }} {{ '+1' | float }}
{{ 'aXbXc' | replace('X', '-') }} {{ 'aXbXc' | replace('X', '-', 1) }} {{ 'abc' | replace('', '.') }} {{ 'é' | replace('', '.') }} {{ 123 | replace(2, 'x') }} {{ 'aaa' | replace('aa', 'b') }} {{ 'abc' | replace('', '.', 2) }}
{{ {'b': 2, 'A': 1, 'c': 0} | dictsort }} {{ {'b': 2, 'A': 1} | dictsort(true) }} {{ {'b': 1, 'a': 2} | dictsort(by='value') }} {{ {'b': 1, 'a': 2} | dictsort(reverse=true) }}
{{ [3, 1, 2] | sort }} {{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A', 'c'] | sort(case_sensitive=true) }} {{ [3, 1, 2] | sort(reverse=true) }} {{ records | sort(attribute='name') | map(attribute='name') | list }} {{ ['b', 'B', 'a', 'A'] | sort(reverse=true) }}
{{ [1, 'a'] | sort }}
{{ [1, 1, 2, 1] | unique | list }} {{ ['a', 'A', 'b'] | unique | list }} {{ ['a', 'A'] | unique(true) | list }}
{{ [1, 2, 3] | reverse | list }} {{ 'abé' | reverse }} {{ (1, 2) | reverse | list }}
{{ [3, 1, 2] | min }} {{ [3, 1, 2] | max }} {{ [] | max }}| {{ ['b', 'A'] | min }} {{ [1, 2, 3] | sum }} {{ records | sum(attribute='n') }} {{ [1, 2] | sum(start=10) }} {{ [] | sum }}
{{ -5 | abs }} {{ (-5) | abs }} {{ 5.5 | abs }} {{ 2.5 | round }} {{ 3.5 | round }} {{ 2.4 | round }} {{ -2.5 | round }} {{ 7 | round }}
{{ [1, 2, 3, 4, 5] | batch(2) | list }} {{ 'a\nb\n\nc' | indent }}| {{ 'a\nb' | indent(2, true) }} {{ 'a\n\nb' | indent(2, blank=true) }} {{ 'a\nb' | indent('> ') }}
{{ 'x' | safe }}{{ '<a>' | safe }}
{{ mapping | tojson }} {{ 'é"\\\n\t\x08\x0c\x01/<>&\u2028' | tojson }} {{ [1, 2.0, 1e100, none, true] | tojson }} {{ {} | tojson }} {{ [] | tojson }} {{ (1, 2) | tojson }}
{{ mapping | tojson(indent=2) }}
{{ {'a': [], 'b': {}, 'c': [1, {'d': 2}]} | tojson(indent=4) }}
{{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }} {{ [1, {'a': 2}] | tojson(separators=(',', ':')) }} {{ 'é😀\x7f' | tojson(ensure_ascii=true) }} {{ [1] | tojson(indent=0) }} {{ [1] | tojson(indent='--') }} {{ {1: 2, 'a': 3} | tojson }}
{{ undefined_name | tojson }}
{{ [undefined_name] | tojson }}
{{ 'abc' | upper | lower | capitalize }} {{ -1 | abs }} {{ 'a,b' | replace(',', ';') | upper }}
{{ 'x' | nosuchfilter }}
{{ 'x' is nosuchtest }}
{{ 'x'.nosuchmethod() }}
{% if false %}{{ 'x'.nosuchmethod() }}{% endif %}ok
{{ nosuchfunction() }}
{{ 1 is number }} {{ 1.5 is number }} {{ true is number }} {{ 'a' is number }} {{ 1 is integer }} {{ true is integer }} {{ 1.0 is float }} {{ true is boolean }} {{ 1 is boolean }}
{{ 'a' is string }} {{ 1 is string }} {{ [] is sequence }} {{ 'a' is sequence }} {{ {} is sequence }} {{ 1 is sequence }} {{ [] is iterable }} {{ 'a' is iterable }} {{ 1 is iterable }} {{ none is iterable }} {{ undefined_name is iterable }} {{ {} is mapping }} {{ [] is mapping }}
{{ none is none }} {{ undefined_name is none }} {{ undefined_name is undefined }} {{ none is defined }} {{ true is true }} {{ 1 is true }} {{ false is false }} {{ 0 is false }} {{ mapping.get is callable }} {{ range is callable }}
{{ 3 is odd }} {{ 4 is even }} {{ 6 is divisibleby 3 }} {{ 6 is divisibleby(4) }} {{ 'a' is in ['a'] }} {{ 'z' is not in ['a'] }} {{ 1 is eq 1 }} {{ 1 is ne 2 }} {{ 1 is lt 2 }} {{ 2 is ge 2 }} {{ 1 is equalto 1 }} {{ 1 is sameas 1 }}
{{ 'ABC' is upper }} {{ 'abc' is lower }} {{ 'aBc' is upper }} {{ '12' is upper }} {{ 'trim' is filter }} {{ 'zz' is filter }} {{ 'odd' is test }}
{{ not 1 is string }} {{ 1 is not string }} {{ 1 + 1 is number }} {{ 'a' is string and 1 is number }} {{ 'x' if 1 is defined else 'y' }}
{{ ' ab '.strip() }}| {{ 'xxaxx'.strip('x') }} {{ 'xyaxy'.lstrip('xy') }} {{ 'xyaxy'.rstrip('yx') }} {{ '\n\na\n'.lstrip('\n') }}| {{ 'éaé'.strip('é') }} {{ ' a '.lstrip() }}|{{ ' a '.rstrip() }}|{{ ''.strip() }}|{{ '   '.strip() }}|
{{ 'a b  c'.split() }} {{ 'a,b,,c'.split(',') }} {{ 'a,b,c'.split(',', 1) }} {{ ' a  b '.split() }} {{ ''.split() }} {{ ''.split(',') }} {{ 'a b c d'.split(none, 2) }} {{ 'a--b--c'.split('--')[-1] }} {{ 'a,b,c'.rsplit(',', 1) }} {{ 'a,b'.rsplit(',') }}
{{ 'abc'.split('') }}
{{ 'a\nb\r\nc\n'.splitlines() }} {{ ''.splitlines() }}
{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith('bc') }} {{ 'abc'.startswith(('x', 'a')) }} {{ 'abc'.endswith('abcd') }} {{ 'abc'.startswith('') }}
{{ 'aXbX'.replace('X', '') }} {{ 'aXbX'.replace('X', '-', 1) }} {{ 'abc'.upper() }} {{ 'ABC'.lower() }} {{ 'abc DEF'.capitalize() }} {{ 'abc'.find('c') }} {{ 'abc'.find('z') }} {{ 'héh'.rfind('h') }} {{ 'aaa'.count('a') }} {{ 'aaa'.count('aa') }} {{ ','.join(['a', 'b']) }} {{ 'unhappy'.removeprefix('un') }} {{ 'a.txt'.removesuffix('.txt') }} {{ 'abc'.count('') }} {{ 'abc'.rfind('') }}
{{ ','.join([1]) }}
{{ '{} and {}'.format(1, 'b') }} {{ '{1}{0}'.format('a', 'b') }} {{ '{x}{{}}'.format(x=2) }}
{{ [1, 2, 1].count(1) }} {{ [1, 2].index(2) }} {{ (1, 2).index(1) }} {{ mapping.copy() == mapping }}
{{ [1].append(2) }}
{{ mapping.update({'z': 1}) }}
{{ range(3) | list }} {{ range(1, 4) | list }} {{ range(5, 0, -2) | list }} {{ range(0) | list }} {{ dict(a=1, b=2) }} {{ dict({'x': 1}, y=2) }}
{{ range(100001) | length }}
{% set ns = namespace(a=1) %}{% set ns.a = ns.a + 1 %}{% set ns.b = 'x' %}{{ ns.a }}{{ ns.b }}{{ ns.missing }}|{{ ns.missing is defined }}
{% set ns = namespace(n=0) %}{% for i in range(5) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}
{% set x = 1 %}{% set x.y = 2 %}
{{ raise_exception('stop ' ~ 1) }}
{% if false %}{{ raise_exception('no') }}{% endif %}fine
{% set x = 1 %}{{ x }}{% set x = x + 1 %}{{ x }}
{% set a, b = 1, 2 %}{{ b }}{{ a }} {% set (c, d) = [3, 4] %}{{ c }}{{ d }} {% set e = 1, 2 %}{{ e }}
{% set a, b = [1] %}
{% set x %}block {{ 1 + 1 }}{% endset %}[{{ x }}] {% set y | upper %}shout{% endset %}{{ y }}
{% set x = 1 %}{% set y %}{% set x = 2 %}{{ x }}{% endset %}{{ x }}{{ y }}
{% if 1 %}a{% elif 2 %}b{% else %}c{% endif %} {% if 0 %}a{% elif 2 %}b{% else %}c{% endif %} {% if 0 %}a{% elif '' %}b{% else %}c{% endif %} {% if none %}x{% endif %}
{% if true %}{% set x = 'seen' %}{% endif %}{{ x }}
{% for x in [1, 2, 3] %}{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}
{% for x in [1, 2, 3] %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }};{% endfor %}
{% for x in 'abc' %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}
{% for x in 'abc' %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }} {% endfor %}
{% for x in [1, 2, 3] %}{{ loop.cycle('a', 'b') }}{% endfor %}
{% for x in [] %}x{% else %}none{% endfor %} {% for x in [1] %}x{% else %}none{% endfor %}
{% for x in [1, 2, 3, 4] if x is even %}{{ x }}:{{ loop.index }}/{{ loop.length }} {% endfor %}
{% for x in [1, 3] if x is even %}x{% else %}no match{% endfor %}
{% for k, v in [('a', 1), ('b', 2)] %}{{ k }}{{ v }}{% endfor %} {% for k, (a, b) in [(1, (2, 3))] %}{{ k }}{{ a }}{{ b }}{% endfor %} {% for (k, v) in mapping.items() %}{{ k }}{% endfor %}
{% for a, b in [1] %}{% endfor %}
{% for x in [1, 2] %}{% for y in [3, 4] %}{{ x }}{{ y }}{{ loop.index }}{{ loop.depth }} {% endfor %}{{ loop.index }}|{% endfor %}
{% for x in [1, 2] %}{% set outer = loop %}{% for y in 'ab' %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}
{% set x = 0 %}{% for i in [1, 2] %}{{ x }}{% set x = i %}{{ x }}{% endfor %}{{ x }}
{% for i in [1, 2] %}{{ seen is defined }}{% set seen = 1 %}{% endfor %}
{% for x in [1, 2, 3, 4] %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 4 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% for x in [1, 2] %}{% for y in [1, 2] %}{% break %}{% endfor %}{{ x }}{% endfor %}
{% for x in [1, 2] %}{% if true %}{% with %}{% break %}{% endwith %}{% endif %}{% endfor %}done
{% for x in mapping %}{{ x }} {% endfor %} {% for c in 'hé' %}{{ c }}.{% endfor %}
{% for x in 5 %}{% endfor %}
{% for x in none %}{% endfor %}
{% for x in range(3) %}{{ x }}{% endfor %}{{ x }}{{ loop is defined }}
{% for x in 1, 2 %}{{ x }}{% endfor %}
{% for message in messages[1:] %}{{ message.role }}{% endfor %} {% for message in messages[::-1] %}{{ message['role'] }}{% endfor %}
{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a is defined }} {% set a = 5 %}{% with a = 1, b = a %}{{ b }}{% endwith %}
{% macro m(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(1, c='z') }} {{ m(a=7) }} {{ m() }}
{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(z=2) }}
{% macro fact(n) %}{{ 1 if n < 2 else n * (fact(n - 1) | int) }}{% endmacro %}{{ fact(6) }}
{% set g = 'global' %}{% macro m() %}{{ g }}{% set g = 'inner' %}{{ g }}{% endmacro %}{{ m() }}{{ g }}
{% macro m() %}{{ late }}{% endmacro %}{% set late = 'x' %}{{ m() }}
{% macro m() %}{{ loop is defined }}{{ x is defined }}{% endmacro %}{% for x in [1] %}{{ m() }}{% endfor %}
{% macro m() %} a {% endmacro %}{{ m() | trim }}{{ m() ~ '!' }}{{ m() | length }}
{% macro a() %}[{{ b() }}]{% endmacro %}{% macro b() %}b{% endmacro %}{{ a() }}
{% filter upper %}shout {{ 'x' }}{% endfilter %} {% filter replace('a', 'b') | upper %}aa{% endfilter %}
{% generation %}kept {{ 1 }}{% set inner = 1 %}{% endgeneration %}{{ inner is defined }}
{% raw %}{{ not }} {% parsed %} {# here #}{% endraw %} {%- raw -%}  x  {%- endraw -%} end
{# comment #}a{# {{ x }} {% if %} #}b
a  {#- c -#}  b
{{ {'a': {'b': {}}} }}{{ {'a':{'b':1}}}}
{{ mapping . a }} {{ mapping ['a'] }} {{ 'x' . upper ( ) }}
{{ [1, 2,] }} {{ (1, 2,) }} {{ {'a': 1,} }}
{{ bos_token }}{{ eos_token }}{{ add_generation_prompt }}{{ messages | length }}{{ tools }}{{ tools is none }}{{ documents is none }}
{{ messages[0]['content'] | trim }} {{ messages[-1].content.split('|') }} {{ messages | map(attribute='role') | unique | list }} {{ (messages | selectattr('role', 'equalto', 'user') | list)[-1].content }}
{{ messages | tojson }}
{{ messages }}
{{ messages[1] == messages[1] }} {{ messages[0] == messages[1] }} {{ messages[0].role in ['system', 'user'] }}
{{ 1 if messages[0]['role'] == 'system' and messages|length > 1 else 0 }}
{{ messages[loop_index_missing] }}
{{ '' is defined }}{{ mapping['nested']['nothing'] is defined }}
{{ mapping.nested.nothing.more is defined }}
{{ float_values }} {{ float_values | tojson }}
{{ 100000000000000000 * 10 }} {{ 9223372036854775807 }} {{ -9223372036854775807 - 1 }}
{{ 0.1 + 0.2 }} {{ 1e22 }} {{ 1e-5 }} {{ 0.0001 }} {{ 123456789012345680.0 }} {{ 5e-324 }} {{ 1.7976931348623157e308 }} {{ -0.0 }}
{{ 'a' if 'b' in 'abc' and not 'z' in 'abc' else 'c' }}
{{ ('a' ~ 'b') * 2 }} {{ 'a' ~ 'b' * 2 }}
{{ 1 + 2 ~ 3 + 4 }}
{{ 1 ~ 2 * 3 ~ 4 }}
{{ 10 - 2 - 3 }} {{ 100 / 10 / 2 }} {{ 2 * 3 % 4 }} {{ 1 - -1 }} {{ 1--1 }}
{{ 5 == 5 == true }} {{ 1 < 2 == true }} {{ 1 == 1 in [true] }}
{{ x.y.z if x is defined else 'safe' }}
{{ (mapping.a, mapping['b']) }} {{ [mapping.a] + [mapping.missing is defined] }}
{{ mapping.a is defined and mapping.a > 0 }} {{ mapping.zz is not defined or mapping.zz == 1 }}
{{ strftime_now('%d %b %Y %H:%M:%S %A %a %B %y %j %I %p %m %%') }} {{ strftime_now('%Y-%m-%d') }}
'''.strip('\n').split('\n')

# White-space control, and what needs more than one line.
BLOCKS = [
    "{% if true %}\nline\n{% endif %}\nend\n",
    "  {% if true %}\n  line\n  {% endif %}\nend\n\n",
    "a {% if true %} b {% endif %} c",
    "a\n  {%- if true -%}\n  b\n  {%- endif -%}\n  c",
    "a\n  {%+ if true %}\n  b\n  {%+ endif +%}\n  c",
    "a\n  {% if true +%}\n  b\n  {% endif %}\n  c",
    "  {{ 1 }}\n  {{- 2 }}\n  {{ 3 -}}\n  4\n",
    "  {{+ 1 }}\n x",
    "  {# c #}\n  x {# d #} \n{#- e #}\n{# f -#}\n y\n{#+ g +#}\nz",
    "{% for x in [1, 2] %}\n  {{ x }}\n{% endfor %}\n",
    "{% for x in [1, 2] -%}\n  {{ x }}\n{%- endfor %}\n",
    "{% set x = 1 %}\n\n\n{{ x }}\n\n",
    "a\r\nb\r\n{% if true %}\r\nc\r{% endif %}\r\n",
    "\t {% if true %}x{% endif %}",
    "x \t {% if true %}x{% endif %}",
    "\u00a0{% if true %}x{% endif %}\n\u2003{% if true %}y{% endif %}\nz\u2003{%- if true -%}\u3000w{% endif %}",
    "{% if true %}\n\n{% endif %}|\n",
    "{% raw %}\n  {{ x }}\n{% endraw %}\nend",
    "  {% raw %}  x  {% endraw %}  \n",
    "  {%- raw -%}\n x \n{%- endraw -%}\n y",
    "{{ [1,\n2,\n3\n] }}",
    "{{ 'a'\n 'b' }}",
    "{{ '{{' }} {{ '}}' }} {{ '%}' }} {{ '{%' }}",
    "{ { % } } {x} {",
    "{{ '\n' }}|{{ 'a\\\nb' }}",
    "{% macro m() %}\n  x\n{% endmacro %}\n{{ m() }}|{{ m() }}",
    "{% set x %}\n  a\n  {% if true %}\n  b\n  {% endif %}\n{% endset %}\n[{{ x }}]",
    "{%if true%}a{%endif%}{{1}}{%-if true-%} b {%-endif-%}",
    "{% if true %}{# c #}\n{% endif %}\n{# c #}\n",
    "{{ 1 }}\n{% if true %}\n{% endif %}",
    "\n\n{{ 1 }}\n\n\n",
    "",
    "\n",
    "{{ 1 }}\r",
    "é{{ 'é' }}😀{% if 'é' %}ü{% endif %}",
    "{% for m in messages %}\n{{ m.role }}: {{ m.content }}\n{% endfor %}\n",
    "line {%- if true %}\n x\n{%- endif %} tail",
    "{%- for x in [1, 2, 3] %}\n    {%- if x == 2 %}\n        {%- continue %}\n    {%- endif %}\n    {{- x }}\n{%- endfor %}",
]

# Python refuses these when it reads them.
MALFORMED = r'''
{{
{{ }}
{{ 1
{{ 1 } }
{%
{% %}
{% if %}{% endif %}
{% if true %}
{% if true %}{% else %}
{% if true %}{% endfor %}
{% endif %}
{% else %}
{% elif true %}
{% for %}{% endfor %}
{% for x %}{% endfor %}
{% for x in %}{% endfor %}
{% for x in [1] %}
{% for 1 in [1] %}{% endfor %}
{% for true in [1] %}{% endfor %}
{% set %}
{% set x = %}
{% set 1 = 2 %}
{% set true = 2 %}
{% set x %}
{% macro %}{% endmacro %}
{% macro m %}{% endmacro %}
{% macro m( %}{% endmacro %}
{% macro m(a=1, b) %}{% endmacro %}
{% macro m() %}
{% break %}
{% continue %}
{% raw %}x
{# no end
{{ 'no end }}
{{ "no end }}
{{ 1 + }}
{{ * 1 }}
{{ 1 2 }}
{{ a b }}
{{ (1 }}
{{ [1 }}
{{ {1 }}
{{ {'a' 1} }}
{{ {'a':} }}
{{ 1) }}
{{ 1] }}
{{ 1 } }}
{{ (1] }}
{{ a. }}
{{ a.'x' }}
{{ a[ }}
{{ a| }}
{{ a|1 }}
{{ a is }}
{{ a is 1 }}
{{ a is string is string }}
{{ f(a=1, 2) }}
{{ f(1 2) }}
{{ f(, 1) }}
{{ not }}
{{ 1 if }}
{{ a ? b }}
{{ a ! b }}
{{ $x }}
{{ a && b }}
{{ 1 = 2 }}
{{ 'a' 'b' c }}
{% if true %}{% endif x %}
{% with a %}{% endwith %}
{% filter %}x{% endfilter %}
{% 5 %}
{% for x in [1] %}{% else %}{% else %}{% endfor %}
{{ '\x4' }}
{{ '\u12' }}
{{ [1, , 2] }}
{{ 12abc }}
{{ a..b }}
{{ -  }}
{{ a[1:2:3:4] }}
{% set a, = %}
{% macro m(1) %}{% endmacro %}
{{ @ }}
{{ ; }}
{% if 1 %}{{ 2 %}{% endif %}
'''.strip('\n').split('\n')
