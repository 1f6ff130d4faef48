"""Kogame on a phone and on a desktop: two players turn and die, go offline, and see their server restart."""

import re
from functools import partial

import pytest

from tests.browser.conftest import prepared
from tests.harness.project import REALTIME, TEMPLATE, free_port

DEATH = re.compile(r"^You hit .+: your score is \d+\.$")
PLAY = re.compile("^Play")
# Return the directions to the distant and to the near one of the walls beside the own snake.
BESIDE = """() => {
    const { dir, body: [head] } = state.snakes[saved.player];
    const [width, height] = state.size;
    const isFirstHalf = MOVES[dir][0] ? head < width * height / 2 : head % width < width / 2;
    const walls = MOVES[dir][0] ? ["up", "down"] : ["left", "right"];
    return isFirstHalf ? walls.reverse() : walls;
}"""
# Tell whether the canvas is painted where the neck of a snake is.
IS_PAINTED = """player => {
    const [width, cell] = [state.size[0], state.snakes[player].body[1]];
    const [x, y] = [cell % width, Math.floor(cell / width)].map(n => (n + 0.5) * canvas.width / width);
    return canvas.getContext("2d").getImageData(x, y, 1, 1).data[3] === 255;
}"""
HAS_TURNED = "([player, to]) => state.snakes[player].dir === to"
SWIPES = {"up": (0, -60), "down": (0, 60), "left": (-60, 0), "right": (60, 0)}  # pixels


@pytest.fixture(scope="module", params=["5.2", pytest.param("6.1", marks=pytest.mark.long)])
def game(request, tmp_path_factory, bake_into):
    """Yield a function that serves a game in production during a block, and its URL, always the same."""
    answers = {"django_version": request.param, "realtime": True}
    project = bake_into(tmp_path_factory.mktemp("kogame") / "bake", TEMPLATE, answers)
    engine = project.path / "apps/kogame/engine.py"
    # Slower than people play, so that no snake hits a wall while a busy computer lets the test wait.
    engine.write_text(engine.read_text().replace("RATE = 12 ", "RATE = 4 "))
    with prepared(project) as (variables, reports):
        port = str(free_port())
        server = partial(project.serving, "uv", "run", *REALTIME, PORT=port, **variables)
        yield server, f"http://localhost:{port}"
    assert reports == []


def join(page, name):
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name=PLAY).click()
    page.get_by_text(f"{name} (you)").wait_for()
    return page.evaluate("saved.player")


def swipe(page, to):
    box = page.locator("canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    end = {"x": x + SWIPES[to][0], "y": y + SWIPES[to][1]}
    touches = {"touchStart": [{"x": x, "y": y}], "touchMove": [end], "touchEnd": []}
    session = page.context.new_cdp_session(page)
    for kind, points in touches.items():
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def forgive_lost_sockets(page):
    page.errors[:] = [
        error for error in page.errors if not error.startswith("WebSocket connection")
    ]


def test_a_phone_and_a_desktop_play_until_one_dies(game, visit, assert_accessible):
    server, url = game
    with server():
        phone, desktop = visit(url, width=390, has_touch=True, is_mobile=True), visit(url)
        for page in (phone, desktop):
            page.goto("/kogame/duel/")
            page.get_by_text("You are watching room duel.").wait_for()
            assert_accessible(page)
        ann, bob = join(phone, "Ann"), join(desktop, "Bob")
        phone.get_by_text("Bob", exact=True).wait_for()
        desktop.get_by_text("Ann", exact=True).wait_for()
        assert phone.evaluate(IS_PAINTED, bob)
        assert desktop.evaluate(IS_PAINTED, ann)

        swipe(phone, to := phone.evaluate(BESIDE)[0])
        desktop.wait_for_function(HAS_TURNED, arg=[ann, to])
        desktop.keyboard.press(f"Arrow{(to := desktop.evaluate(BESIDE)[0]).title()}")
        phone.wait_for_function(HAS_TURNED, arg=[bob, to])
        desktop.keyboard.press(f"Arrow{desktop.evaluate(BESIDE)[1].title()}")
        desktop.get_by_text(DEATH).wait_for()
        phone.get_by_text("Bob", exact=True).wait_for(state="detached")
        for page in (phone, desktop):
            assert_accessible(page)
        assert join(desktop, "Bob") == bob


def test_a_page_comes_back_when_it_was_offline_and_when_its_server_has_restarted(game, visit):
    server, url = game
    with server():
        watcher, player = visit(url), visit(url)
        for page in (watcher, player):
            page.goto("/kogame/tunnel/")
        bob = join(player, "Bob")
        player.context.set_offline(True)
        player.get_by_text("You are offline.").wait_for()
        watcher.get_by_text("Bob (away)").wait_for()
        player.context.set_offline(False)
        watcher.get_by_text("Bob", exact=True).wait_for()
        player.get_by_text("You are playing in room tunnel.").wait_for()
        assert watcher.evaluate("Object.keys(state.snakes)") == [bob]
    for page in (watcher, player):
        page.get_by_text("The connection is lost.").wait_for()
    with server():
        player.get_by_text("Your snake is gone.").wait_for()
        assert join(player, "Bob") == bob
        watcher.get_by_text("Bob", exact=True).wait_for()
        for page in (watcher, player):
            forgive_lost_sockets(page)
