"""The page as a user works with it, in a real browser; it asks nobody but the server."""

import json
import shutil
import time

import cv2
import numpy as np
import pytest
from conftest import draw_word

pytest.importorskip("litserve", reason="the extra [serve] is not installed")
from serving_side import exported_model, in_process

from aocr_plugin import Recognizer

DROP = """
const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([bytes], arguments[1]));
const drop = document.getElementById("drop");
for (const kind of ["dragover", "drop"])
  drop.dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: data}));
"""
LIGHT = """
const canvas = document.getElementById("light"), ink = canvas.getContext("2d");
const row = ink.getImageData(0, 0, canvas.width, 1).data;
return Array.from({length: canvas.width}, (_, x) => row[4 * x]);
"""

BAR = """
const canvas = document.querySelectorAll("#steps canvas")[arguments[0]];
const row = canvas.getContext("2d").getImageData(0, 0, canvas.width, 1).data;
return Array.from({length: canvas.width}, (_, x) => row[4 * x + 3]);
"""


@pytest.fixture
def browser(tmp_path):
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("chromium or chromedriver is not on the PATH")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
                 "disable-background-networking", "disable-component-update", "disable-sync",
                 f"user-data-dir={tmp_path / 'profile'}"):  # fmt: skip
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield browser
    browser.quit()


def wait(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_an_image_is_dropped_and_its_attention_shown(browser, tmp_path, tmp_path_factory):
    import base64

    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By

    model = exported_model(tmp_path_factory)
    data = cv2.imencode(".png", draw_word("HORSE"))[1].tobytes()
    read = Recognizer(model, attention=True)(data)
    (tmp_path / "dog.png").write_bytes(cv2.imencode(".png", draw_word("DOG7"))[1].tobytes())
    second = Recognizer(model)(tmp_path / "dog.png")
    find = lambda name: browser.find_element(By.ID, name)  # noqa: E731
    steps = lambda: browser.find_elements(By.CSS_SELECTOR, "#steps li")  # noqa: E731
    with in_process(model) as (_, port):
        browser.get("about:blank")
        browser.get_log("performance")
        browser.get(f"http://127.0.0.1:{port}/")
        browser.execute_script(DROP, base64.b64encode(data).decode(), "horse.png")
        wait(lambda: find("found").is_displayed())
        assert find("text").text == read.text and len(steps()) == len(read.text)
        assert find("score").text.endswith(f"score {read.score:.4f}")
        assert browser.execute_script("return document.getElementById('image').naturalWidth") == 110
        page = "document.documentElement"
        assert browser.execute_script(f"return {page}.scrollWidth <= {page}.clientWidth")
        for step in (0, len(read.text) - 1):
            ActionChains(browser).move_to_element(steps()[step]).perform()
            light = np.array(browser.execute_script(LIGHT))
            column = int(np.argmax(read.attention[step]))  # of 4 pixels; the image has 88 at 32
            assert abs((np.argmax(light) + 0.5) / len(light) - (column + 0.5) * 4 / 88) < 0.03
            bar = np.array(browser.execute_script(BAR, step))
            assert abs((np.argmax(bar) + 0.5) / len(bar) - (column + 0.5) * 4 / 88) < 0.03
        find("file").send_keys(str(tmp_path / "dog.png"))
        wait(lambda: find("text").text == second.text and find("found").is_displayed())
        browser.execute_script(DROP, base64.b64encode(b"no image").decode(), "notes.txt")
        wait(lambda: "not an image" in find("state").text)
        assert not find("found").is_displayed() and "error" in find("state").get_attribute("class")
        browser.get(f"http://127.0.0.1:{port}/docs")
        wait(lambda: len(browser.find_elements(By.CLASS_NAME, "opblock")) > 10)
        sent = [json.loads(line["message"])["message"] for line in browser.get_log("performance")]
        urls = [
            m["params"]["request"]["url"]
            for m in sent
            if m["method"] == "Network.requestWillBeSent"
        ]
        own = (f"http://127.0.0.1:{port}/", "blob:", "data:")
        assert urls and not [url for url in urls if not url.startswith(own)]
        severe = [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]
        assert [line for line in severe if "400" not in line["message"]] == []


def test_what_the_page_asks():
    from serving_side import in_thread

    with in_thread() as ask:
        detail = dict(char_scores=[1.0], attention=[[1.0]], column=1.0)
        assert ask("POST", "/read", b"ab")[1] == dict(text="AB", score=0.5) | detail
        assert ask("POST", "/read", b"")[:2] == (400, {"error": "the body must be an image file"})
        assert ask("POST", "/read", b"bad")[:2] == (400, {"error": "not an image"})
