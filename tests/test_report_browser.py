"""The HTML report as a user works with it, in a real browser without a network."""

import json
import shutil
import time

import numpy as np
import pytest
from picture_runs import EVIL, made_run

import aocr_plugin  # noqa: F401
from aocr_plugin.visualization import report


@pytest.mark.slow
def test_it_filters_sorts_shows_attention_and_sends_nothing(tmp_path):
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("chromium or chromedriver is not on the PATH")
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    page = tmp_path / "report.html"
    run = made_run()
    run.outcomes, run.entries = run.outcomes * 20, run.entries * 20
    report.write_report(run, page)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
                 "disable-background-networking", "disable-component-update", "disable-sync",
                 f"user-data-dir={tmp_path / 'profile'}"):  # fmt: skip
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    try:
        browser.get("about:blank")
        browser.get_log("performance")  # the browser's own first page
        browser.get(page.as_uri())
        find = lambda css: browser.find_elements(By.CSS_SELECTOR, css)  # noqa: E731
        assert len(find(".row")) == 60 and len(find(".row.error")) == 60
        find("#more")[0].click()
        assert len(find(".row")) == 120
        assert find("#count")[0].text.startswith("140 of 140 images, 100 of them errors")
        box = find("#filter")[0]
        box.send_keys("d0g")
        assert len(find(".row")) == 20 and find(".cells")[0].text.split() == [
            "read", "label", "D", "D", "0", "O", "G", "G"]  # fmt: skip
        box.clear()
        find("#regex")[0].click()
        box.send_keys("^(CAT|a b)$")
        assert len(find(".row")) == 40
        find("#errors-only")[0].click()
        assert len(find(".row")) == 20 == len(find(".row.error"))
        box.send_keys("(")
        assert len(find(".row")) == 0 and "no regular expression" in find("#count")[0].text
        box.clear()
        find("#regex")[0].click()
        box.send_keys("onerror")
        wanted = "".join(
            node.text for node in find(".row")[0].find_elements(By.CLASS_NAME, "wanted")
        )
        assert EVIL.replace(" ", "␣") in wanted and len(find("#rows img")) == 20
        assert browser.title == f"Run {EVIL}" == find("h1")[0].text
        box.clear()
        box.send_keys(Keys.SPACE, Keys.BACKSPACE)
        find('.pairs .pair[data-label="O"]')[0].click()
        assert len(find(".row")) == 20
        find(".about button")[0].send_keys(Keys.ENTER)
        assert find(".map")[0].size["height"] == 3 * 16
        find(".picture")[0].send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
        lit = browser.execute_script(
            "const c = document.querySelector('.picture canvas'), k = c.getContext('2d');"
            "const row = k.getImageData(0, 0, c.width, 1).data;"
            "return Array.from({length: c.width}, (_, x) => row[4 * x]);"
        )
        assert abs((np.argmax(lit) + 0.5) / len(lit) - 1.5 / 12) < 0.03  # second letter, column 1
        time.sleep(0.3)
        assert browser.get_log("browser") == []
        sent = [json.loads(line["message"])["message"] for line in browser.get_log("performance")]
        urls = [
            m["params"]["request"]["url"]
            for m in sent
            if m["method"] == "Network.requestWillBeSent"
        ]
        assert {url.partition(":")[0] for url in urls} == {"file", "data"}
    finally:
        browser.quit()
