"""clawsend: what it takes, what it refuses, and how."""

import json
import subprocess

import pytest

from bus import PATIENCE, program, wait_until

TEXTS = {
    "emoji": "🦞💰🚀🤖 👩‍👩‍👧‍👦 🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "right-to-left": "שלום עולם، مرحبا \u202eabc\u202c",
    "newlines": "one\ntwo\r\nthree\r\rfour\n\n",
    "quotes": "\"quoted\" 'single' \\backslash\\ \\n \\u0041 {\"from\": \"x\"} `id` $(id)",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f\x80\x9f",
    "separators": "\u2028\u2029\u0085\ufeff",
    "combining": "e\u0301 o\u0308 \u1112\u1161\u11ab",
    "edge of planes": "\ud7ff\ue000\uffff\U00010000\U0010ffff",
    "spaces": "  leading, trailing and \t tabs  ",
    "dashes": "--to bob -- -",
    "100 KiB": "0123456789abcdef" * 6400,
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_a_text_arrives_as_it_was_given(node, text):
    node.send(text)
    [message] = node.collect(1)
    assert message["text"] == text


@pytest.mark.parametrize("name", [name for name in TEXTS if name not in ("100 KiB",)])
def test_a_text_given_as_an_argument_arrives_too(local_node, name):
    done = local_node.run_tail("clawsend", "ada", "--", TEXTS[name])
    assert done.returncode == 0, done
    [message] = local_node.collect(1)
    assert message["text"] == TEXTS[name]


def test_words_are_joined_by_a_space(local_node):
    assert local_node.clawsend("ada", "three", "little", "words").returncode == 0
    assert local_node.texts(1) == ["three little words"]


def test_standard_input_loses_one_final_newline_alone(local_node):
    for given in (b"x", b"x\n", b"x\n\n"):
        assert local_node.clawsend("ada", "-", stdin=given).returncode == 0
    assert local_node.texts(3) == ["x", "x", "x\n"]


@pytest.mark.parametrize("given", [b"", b"\n", b"a\0b", b"\0"], ids=["empty", "newline", "NUL inside", "NUL alone"])
def test_an_odd_text_arrives_intact_or_is_refused_with_a_reason(local_node, given):
    done = local_node.clawsend("ada", "-", stdin=given)
    if done.returncode == 0:
        assert local_node.texts(1) == [given.removesuffix(b"\n").decode()]
    else:
        assert done.returncode == 65
        assert done.stderr
        assert local_node.outbox("new") == []


INVALID = {
    "a lone byte": b"caf\xe9",
    "an overlong form": b"\xc0\xaf",
    "a surrogate": b"\xed\xa0\x80",
    "cut off": b"\xf0\x9f\xa6",
    "too high": b"\xf4\x90\x80\x80",
    "never a byte of UTF-8": b"\xff\xfe",
}


@pytest.mark.parametrize("given", INVALID.values(), ids=INVALID.keys())
def test_a_text_that_is_not_utf_8_is_refused(local_node, given):
    done = local_node.clawsend("ada", "-", stdin=given)
    assert done.returncode == 65
    assert b"UTF-8" in done.stderr
    done = local_node.run_tail("clawsend", "ada", "--", given)
    assert done.returncode == 65
    assert local_node.get() == []


def test_a_mebibyte_is_refused_by_the_limit_which_the_error_names(node):
    done = node.clawsend("ada", "-", stdin=b"x" * (1 << 20))
    assert done.returncode == 65
    assert b"max_message_bytes" in done.stderr or b"262144" in done.stderr
    node.send("still here")
    assert node.texts(1) == ["still here"]


def test_a_mebibyte_passes_where_the_limit_allows_it(make_node, redis_server):
    node = make_node("ada", {"redis_url": redis_server.url, "max_message_bytes": 1_500_000})
    text = "é" * (1 << 19)
    node.send(text)
    assert node.texts(1) == [text]


def test_a_text_at_the_limit_counts_as_it_is_encoded(make_node):
    # 700 quotes are 1,400 bytes of JSON.
    node = make_node("ada", {"max_message_bytes": 1024})
    assert node.clawsend("ada", "-", stdin=b"x" * 700).returncode == 0
    assert node.clawsend("ada", "-", stdin=b'"' * 700).returncode == 65
    assert node.texts(1) == ["x" * 700]


@pytest.mark.parametrize("name", ["a" * 65, "", "two\nlines", "bell\x07", b"\xff"], ids=repr)
def test_a_name_that_cannot_be_one_is_refused(local_node, name):
    done = local_node.clawsend(name, "text")
    assert done.returncode in (64, 65)
    assert done.stderr
    assert local_node.get() == []


@pytest.mark.parametrize("name", ["a" * 64, "エージェント", "with space", "../../etc/passwd", "a/b", "$(id)", "%00"])
def test_any_other_name_is_only_a_name(local_node, name):
    local_node.send("text", sender=name)
    [message] = local_node.collect(1)
    assert message["from"] == name
    assert local_node.get("--consumer", name) != []
    assert local_node.get("--consumer", name) == []


@pytest.mark.parametrize("words", [[], ["ada"], ["--to"], ["--to", "bob"]], ids=repr)
def test_a_call_that_lacks_something_is_a_usage_error(local_node, words):
    assert local_node.clawsend(*words).returncode == 64


def test_json_tells_the_id(local_node):
    done = local_node.clawsend("--json", "ada", "text")
    assert done.returncode == 0
    assert json.loads(done.stdout)["id"] == local_node.collect(1)[0]["id"]


def test_with_the_daemon_stopped_a_message_is_accepted_and_stderr_says_so(local_node):
    local_node.stop()
    done = local_node.clawsend("ada", "later")
    assert done.returncode == 0
    assert done.stdout.strip()
    assert b"clawd" in done.stderr
    local_node.start()
    assert local_node.texts(1) == ["later"]


def test_with_the_daemon_running_nothing_is_said(local_node):
    assert local_node.clawsend("ada", "text").stderr == b""


def test_where_no_daemon_ever_ran_nothing_is_accepted(make_node):
    node = make_node(start=False)
    done = node.clawsend("ada", "text")
    assert done.returncode == 66
    assert str(node.state).encode() in done.stderr
    assert not node.state.exists()


def test_a_full_outbox_says_try_later_and_loses_nothing(local_node):
    local_node.stop()
    # One process a message, as scripts do; xargs starts them faster than we could.
    command = [program("clawsend"), *map(str, local_node.common), "ada"]
    numbers = "\n".join(map(str, range(10_000)))
    subprocess.run(
        ["xargs", "-n", "1", *command], input=numbers.encode(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=local_node.environment, timeout=300, check=True,
    )
    done = local_node.clawsend("ada", "one too many")
    assert done.returncode == 75
    assert b"10" in done.stderr
    local_node.start()
    assert local_node.texts(10_000, patience=4 * PATIENCE) == [str(number) for number in range(10_000)]
    wait_until("the outbox is empty", lambda: local_node.status()["outbox"]["new"] == 0)
    local_node.send("room again")
    assert local_node.texts(1) == ["room again"]


def test_parallel_senders_lose_nothing(local_node):
    command = [program("clawsend"), *map(str, local_node.common), "ada"]
    numbers = "\n".join(map(str, range(400)))
    subprocess.run(
        ["xargs", "-n", "1", "-P", "8", *command], input=numbers.encode(), stdout=subprocess.DEVNULL,
        env=local_node.environment, timeout=120, check=True,
    )
    assert sorted(local_node.texts(400), key=int) == [str(number) for number in range(400)]


def test_an_answer_names_the_message_and_goes_to_its_sender(node):
    first = node.send("question", sender="ada")
    node.collect(1)
    node.send("by number", "--re", "1", sender="bob")
    node.send("by id", "--re", first, sender="bob")
    node.send("to another", "--re", "1", "--to", "cyd", sender="bob")
    answers = node.collect(3)
    assert [(answer["re"], answer["to"]) for answer in answers] == [(first, "ada"), (first, "ada"), (first, "cyd")]


def test_an_answer_to_oneself_goes_to_whom_the_first_message_was_for(node):
    node.send("to bob", "--to", "bob", sender="ada")
    node.send("to all", sender="ada")
    node.collect(2)
    node.send("correction", "--re", "1", sender="ada")
    node.send("correction", "--re", "2", sender="ada")
    assert [answer.get("to") for answer in node.collect(2)] == ["bob", None]


def test_an_answer_to_a_message_without_an_id_goes_to_its_sender(node, redis_server):
    redis_server.publish({"from": "old", "text": "question"})
    node.collect(1)
    done = node.clawsend("--re", "1", "ada", "answer")
    assert done.returncode == 0 and b"no id" in done.stderr
    [answer] = node.collect(1)
    assert answer["to"] == "old" and "re" not in answer


def test_an_answer_to_what_is_not_here(node):
    done = node.clawsend("--re", "77", "ada", "answer")
    assert done.returncode == 65 and b"77" in done.stderr
    done = node.clawsend("--re", "01M84CDPZWGMNBQDT0XGT2PRFQ", "ada", "answer")
    assert done.returncode == 0 and b"not in this queue" in done.stderr
    [answer] = node.collect(1)
    assert answer["re"] == "01M84CDPZWGMNBQDT0XGT2PRFQ" and "to" not in answer
