"""WLED: brightness is its switch, and colors are written as on web pages."""

from tests.unit.house.discovery.announced import announced, capabilities, said, sent


def test_a_strip() -> None:
    strip = announced(
        "light/WLED_0a1b2c",
        {
            "name": "Shelf",
            "uniq_id": "0a1b2c",
            "cmd_t": "wled/shelf",
            "stat_t": "wled/shelf/g",
            "stat_val_tpl": "{% if value | int > 0 %}255{% else %}0{% endif %}",
            "pl_on": 255,
            "pl_off": 0,
            "on_cmd_type": "brightness",
            "bri_cmd_t": "wled/shelf",
            "bri_stat_t": "wled/shelf/g",
            "rgb_cmd_t": "wled/shelf/col",
            "rgb_cmd_tpl": "{{ '#%02x%02x%02x' | format(red, green, blue)}}",
            "rgb_stat_t": "wled/shelf/c",
            "rgb_val_tpl": "{{ value[1:3] | int(base=16) }},{{ value[3:5] | int(base=16) }},"
            "{{ value[5:7] | int(base=16) }}",
            "avty_t": "wled/shelf/status",
        },
    )
    assert strip.device.name == "Shelf"
    assert capabilities(strip) == {"on_off", "brightness", "color"}
    assert sent(strip, "on") == [("wled/shelf", "255")]
    assert sent(strip, "off") == [("wled/shelf", "0")]
    assert sent(strip, "brightness", 10.0) == [("wled/shelf", "26")]
    assert sent(strip, "brightness", 0.1) == [("wled/shelf", "1")]
    assert sent(strip, "color", "orange") == [("wled/shelf/col", "#ffa500"), ("wled/shelf", "255")]
    assert said(strip, "wled/shelf/g", "128") == {"state": "on", "brightness": 50}
    assert said(strip, "wled/shelf/g", "0")["state"] == "off"
    assert said(strip, "wled/shelf/c", "#0000ff") == {"color": "blue"}
    assert said(strip, "wled/shelf/c", "purple") == {}
