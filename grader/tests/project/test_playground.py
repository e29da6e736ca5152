"""The playground, in a real browser: what is in the page is what the labs' files do, on the host and in QEMU."""
import json
import random
import re
import shutil
import subprocess

import pytest
from chromium import Chromium, in_chromium
from conftest import ROOT

from course import handout, lab

LABS = (2, 3, 4)
ARCHIVE = ROOT / "build/initramfs.cpio"
OPERATIONS = 40         # in each of the random sequences
SEEDS = (1, 2)

pytestmark = [in_chromium, pytest.mark.skipif(
    not (shutil.which("clang") and shutil.which("wasm-ld")), reason="no clang or no wasm-ld here")]


@pytest.fixture(scope="module")
def address():
    """The page as make makes it, opened as a file."""
    subprocess.run(["make", "-s", "playground", "playground-host"], cwd=ROOT, check=True)
    return f"file://{ROOT}/build/playground/page/index.html"


@pytest.fixture(scope="module")
def chromium():
    with Chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def opened(address, chromium):
    """A function that opens the page at a situation."""
    def open_at(link="", browser=chromium, **words):
        page = browser.page(address + link, **words)
        page.until("document.body?.dataset.ready === 'yes'")
        return page
    return open_at


def on_host(number, operations, level="debug"):
    """What the same files do as a program: the outcome and the state of the start and of each operation."""
    done = subprocess.run(
        [ROOT / f"build/playground/host-{number}", ARCHIVE, str(["error", "warn", "info", "debug"].index(level))],
        input="".join(f"{words}\n" for words in operations), text=True, capture_output=True, check=True)
    lines = done.stdout.splitlines()
    return [(outcome, json.loads(state)) for outcome, state in zip(lines[::2], lines[1::2])], \
        done.stderr.replace("0x00000100", "0x00000000")         # its direct map lies elsewhere (shim.h)


def in_page(page, number, operations):
    """The same in the page, with all that was written."""
    request = json.dumps({"lab": number, "level": 3, "operations": operations})
    answers = page.value(f"""(async () => {{
        const request = {request}, found = [];
        for (let nr = 0; nr <= request.operations.length; nr++) {{
            found.push(await ask("look", {{ ...request, operations: request.operations.slice(0, nr) }}));
            if (found.at(-1).outcome !== "done")
                break;
        }}
        return found;
    }})()""")
    return [(answer["outcome"], answer["views"][-1]["state"]) for answer in answers], answers[-1]["views"][-1]["text"]


def some_operations(seed):
    """Operations that succeed, the most of them, and one wrong one at the end."""
    chance, things, live = random.Random(seed), 0, []
    for _ in range(OPERATIONS):
        kind = chance.choice(["allocate", "allocate", "fill", "take", "free", "free", "log"])
        if kind == "free" and live:
            yield f"free {live.pop(chance.randrange(len(live)))}"
        elif kind == "log":
            yield "log"
        elif kind in ("allocate", "take"):
            size = chance.choice([0, 24, 100, 700, 5000, 20000]) if kind == "allocate" else chance.randrange(5)
            yield f"{kind} {size}"
            things += 1
            live.append(things)
        else:
            yield f"fill {chance.randrange(300)} 3"
            things += 3
            live += range(things - 2, things + 1)
    yield "dmesg"
    yield "free all"
    yield "free 1"


@pytest.mark.parametrize("number", LABS)
@pytest.mark.parametrize("seed", SEEDS)
def test_an_operation_does_in_the_page_what_it_does_on_the_host(number, seed, opened):
    operations = list(some_operations(seed))
    assert in_page(opened(), number, operations) == (expected := on_host(number, operations))
    assert expected[0][-1][0] == "panicked" and "PANIC: kfree: 0x" in expected[1]
    assert expected[0][-2][1]["things"] == [] and len(expected[0]) == len(operations) + 1


@pytest.mark.parametrize(("number", "outcome"), [(2, "done"), (3, "waits"), (4, "done")])
def test_an_archive_is_unpacked_in_the_page_as_on_the_host(number, outcome, opened):
    assert in_page(opened(), number, ["unpack"]) == (expected := on_host(number, ["unpack"]))
    assert expected[0][-1][0] == outcome


def test_lab_3_deadlocks_with_the_cycle_of_the_machine(opened, hung):
    said, = hung.gdb("cycle")
    machines = re.findall(r"#\d+ +(\w+) ", said)
    page = opened("#lab=3&log=debug&do=unpack")
    assert len(machines) > 3 and machines[0] == machines[-1]
    cycle = page.value("cycleOf(shown.view)")
    assert cycle["calls"] == machines
    assert re.search(rf"waits for {cycle['lock']} .* itself holds", said)
    drawn = page.value("[...document.querySelectorAll('#cycle .call-name')].map(text => text.textContent)")
    assert drawn == machines and page.value("by('deadlock').checkVisibility()")
    assert page.value("by('status').textContent").startswith("The CPU waits for a lock")


def test_lab_3_boots_without_debug_logging_and_lab_4_with_it(opened, cured):
    entries = re.search(r"\d+$", cured.gdb("print initramfs.nr_entries")[0].strip())[0]
    for link in ("#lab=3&log=info&do=unpack", "#lab=4&log=debug&do=unpack"):
        page = opened(link)
        assert page.value("shown.outcome") == "done" and page.value("cycleOf(shown.view)") is None
        assert not page.value("by('deadlock').checkVisibility()")
        assert f"initramfs: {entries} entries" in page.value("by('console').textContent")


def test_each_step_is_a_call_or_a_return(opened):
    """Seen one after the other, forwards and backwards, a stack differs by one call from the one before."""
    page = opened("#lab=4&log=debug&do=allocate+100")
    steps = page.value("shown.nrSteps")
    request = {"lab": 4, "level": 3, "operations": ["allocate 100"], "steps": list(range(1, steps + 1))}
    views = page.value(f"ask('look', {json.dumps(request)})")["views"]
    stacks = [view["stack"] for view in views[:steps]]
    for before, after in zip([[], *stacks], stacks):
        longer, shorter = max(before, after, key=len), min(before, after, key=len)
        assert longer[:-1] == shorter
    assert stacks[-1] == [] and any(stack[-2:] == ["kmalloc", "slab_for"] for stack in stacks)
    held = [view["stack"] for view in views if view["state"]["locks"][1]["held"]]
    assert held and all("kmalloc" in stack for stack in held)
    page.value("walkTo(20)")
    assert page.value("shown.view.stack") == stacks[19]


def test_blocks_never_overlap_while_they_split_and_merge(opened):
    for operations in (["take 6"], ["take 6", "free 1"]):
        request = {"lab": 2, "level": 3, "operations": operations, "steps": list(range(1, 200))}
        views = opened().value(f"ask('look', {json.dumps(request)})")["views"]
        shapes = [[(frame, order) for frame, order, _ in view["state"]["blocks"]] for view in views]
        for shape in shapes:
            assert all(frame % (1 << order) == 0 for frame, order in shape)
            assert all(frame + (1 << order) <= after for (frame, order), (after, _) in zip(shape, shape[1:]))
        assert len({len(shape) for shape in shapes}) > 1


def test_products_of_128_bits_are_right(opened):
    """The heap needs them to see whether a product overflows; clang calls machine.c's function for that."""
    chance = random.Random(3)
    pairs = [(chance.getrandbits(bits), chance.getrandbits(64)) for bits in (1, 31, 32, 33, 63, 64) for _ in range(50)]
    products = opened().value(f"""(async () => {{
        const packed = Uint8Array.from(atob(MACHINES.modules[4]), character => character.charCodeAt(0));
        const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
        const module = await WebAssembly.compile(await new Response(stream).arrayBuffer());
        const env = new Proxy({{}}, {{ get: () => () => undefined }});
        const {{ memory, words, __multi3: multiply }} = (await WebAssembly.instantiate(module, {{ env }})).exports;
        const at = Number(words()), view = new DataView(memory.buffer);
        return {json.dumps([[str(number) for number in pair] for pair in pairs])}.map(([a, b]) => {{
            multiply(BigInt(at), BigInt(a), 0n, BigInt(b), 0n);
            return [view.getBigUint64(at, true), view.getBigUint64(at + 8, true)].map(String);
        }});
    }})()""")
    assert [int(low) + (int(high) << 64) for low, high in products] == [a * b for a, b in pairs]


def test_a_run_shows_what_happens_in_between(opened):
    page = opened("#lab=2&log=info&do=fill+4000+100")
    seen = page.value("""(async () => {
        const seen = [], watch = () => seen.push([shown.view.step, shown.view.state.heap.live]);
        new MutationObserver(watch).observe(by("status"), { childList: true });
        await run();
        return seen;
    })()""")
    assert len(seen) > 10 and seen == sorted(seen) and seen[0][1] < seen[-1][1]
    assert seen[-1][0] == page.value("shown.nrSteps") and page.value("situation.step") is None


SEEN = "[shown, by('views').innerText, by('operations').innerText, by('status').innerText, location.hash]"


def test_a_link_shows_the_same_in_another_browser(opened):
    link = "#lab=4&log=debug&do=allocate+100,fill+24+50,take+3,free+2,unpack,log&at=5"
    here = opened(link)
    here.value("walkTo(20000)")
    seen, link = here.value(SEEN), here.value("new URL(by('link').value).hash")
    assert seen[0]["view"]["step"] == 20000 and seen[0]["view"]["stack"]
    with Chromium() as another:
        assert opened(link, another).value(SEEN) == seen


def tab_to(page, name, *, shift=False):
    """Goes to an element as somebody without a mouse does."""
    for _ in range(60):
        if page.value("document.activeElement.id") == name:
            return
        page.press("Tab", shift=shift)
    raise AssertionError(f"the key Tab never leads to {name}")


def test_the_keyboard_alone_will_do(opened):
    page = opened("#lab=2&log=info")
    tab_to(page, "bytes")
    for key in ("6", "4", "Enter"):
        page.press(key)
    page.until("situation.operations.join() === 'allocate 64' && shown.view.state.things.length === 1")
    tab_to(page, "take")
    page.press("Enter")
    page.until("shown.view.state.things.length === 2")
    tab_to(page, "free")
    page.press(" ")
    page.until("shown.view.state.things.length === 1 && shown.view.state.nr_things === 2")
    tab_to(page, "step")
    page.press("ArrowLeft")
    page.until("shown.view.step === shown.nrSteps - 1")
    tab_to(page, "back", shift=True)
    page.press("Enter")
    page.until("shown.view.step === shown.nrSteps - 2")
    page.press("Enter")
    page.until("shown.view.step === shown.nrSteps - 3 && document.activeElement.id === 'back'")
    tab_to(page, "operation-1", shift=True)
    page.press("Enter")
    page.until("situation.at === 1 && shown.view.state.nr_things === 1 && document.activeElement.id === 'operation-1'")
    assert page.value("location.hash") == "#lab=2&log=info&do=allocate+64,take+0,free+1&at=1"


@pytest.mark.parametrize(("link", "complaint"), [
    ("#lab=7", "lab=7: there is no such lab here. There are: 2, 3, 4."),
    ("#log=loud", "log=loud: there is no such log here. There are: error, warn, info, debug."),
    ("#lab=3&step=x", "step=x: it must be a number."),
    ("#at=2&do=log", "at=2: it must be a number up to 1."),
    ("#who=me", "who: a link has no such word."),
    ("#do=log,frob+3", "operation 2, “frob 3”: no such operation."),
    ("#do=free+3", "operation 1, “free 3”: there is no thing of this number."),
    ("#do=take+11", "operation 1, “take 11”: no such order: they go from 0 to 10."),
    ("#do=fill+1+4096,log,allocate+1", "operation 3, “allocate 1”: too many: there can be 4096 things, "
                                       "those that were freed included."),
    ("#lab=3&log=debug&do=unpack,log", "operation 2, “log”: the machine stands still."),
])
def test_a_link_that_means_nothing_says_what_is_wrong(link, complaint, opened):
    page = opened(link)
    assert page.value("by('complaint').textContent") == complaint
    assert page.value("by('complaint').checkVisibility() && shown.view.state.blocks.length > 0")


def test_a_browser_without_64_bits_shows_a_sentence_and_a_recorded_run(address, chromium):
    page = chromium.page(address, before="WebAssembly.validate = () => false;")
    page.until("document.readyState === 'complete' && document.querySelector('#without img').naturalWidth > 0")
    assert "cannot run WebAssembly with 64-bit memory" in page.value("by('without').innerText")
    assert not page.value("by('controls').checkVisibility() || by('views').checkVisibility()")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_the_page_fits_and_takes_the_readers_colours(width, scheme, opened):
    page = opened("#lab=3&log=debug&do=fill+24+2000,unpack", width=width, scheme=scheme)
    assert page.value("document.documentElement.scrollWidth") <= width
    back = page.value("getComputedStyle(document.body).backgroundColor")
    assert (back == "rgb(255, 255, 255)") == (scheme == "light")


def test_before_lab_3_its_deadlock_is_not_in_the_page_nor_in_a_handout(chromium):
    assert not [name for name in handout.files(lab.select([])) if "playground" in name]
    subprocess.run(["make", "-s", "playground", "LABS=0-2"], cwd=ROOT, check=True)
    place = ROOT / "build/playground/page-0-2"
    page = chromium.page(f"file://{place}/index.html")
    page.until("document.body?.dataset.ready === 'yes'")
    assert page.value("labs") == [2] and "deadlock" not in page.value("document.body.innerText").lower()
    page.value("open(location.hash = '#lab=3&log=debug&do=unpack')")
    assert page.value("by('complaint').textContent") == "lab=3: there is no such lab here. There are: 2."


@pytest.mark.parametrize("labs", ["0-1", "0-9", "x"])
def test_labs_that_leave_nothing_are_named(labs):
    done = subprocess.run(["make", "playground", f"LABS={labs}"], cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode and f"LABS={labs} has nothing for the playground" in done.stderr


def test_without_clang_it_is_left_out_and_make_says_so(path_without):
    done = subprocess.run(["make", "-n", "playground"], cwd=ROOT, text=True, capture_output=True, check=True,
                          env=path_without("clang"))
    assert "left out, as there is no clang" in done.stdout and "cp " not in done.stdout
