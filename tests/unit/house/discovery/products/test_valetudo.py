"""Valetudo: robots that clean, whose states are JSON objects."""

from tests.unit.house.discovery.announced import announced, capabilities, said, sent

ROBOT = "valetudo/robot"


def test_a_robot() -> None:
    robot = announced(
        "vacuum/valetudo_robot/vacuum",
        {
            "schema": "state",
            "name": None,
            "unique_id": "valetudo_robot_vacuum",
            "device": {"identifiers": ["robot"], "name": "Robot", "manufacturer": "Dreame"},
            "supported_features": ["battery", "locate", "start", "stop", "pause", "return_home", "fan_speed"],
            "command_topic": f"{ROBOT}/BasicControlCapability/operation/set",
            "payload_start": "START",
            "payload_stop": "STOP",
            "payload_pause": "PAUSE",
            "payload_return_to_base": "HOME",
            "state_topic": f"{ROBOT}/hass/robot_state",
            "set_fan_speed_topic": f"{ROBOT}/FanSpeedControlCapability/preset/set",
            "fan_speed_list": ["low", "max"],
            "availability_topic": f"{ROBOT}/$state",
            "payload_available": "ready",
            "payload_not_available": "lost",
        },
    )
    assert robot.device.name == "Robot"
    assert capabilities(robot) == {"start", "dock"}
    assert sent(robot, "start") == [(f"{ROBOT}/BasicControlCapability/operation/set", "START")]
    assert sent(robot, "dock") == [(f"{ROBOT}/BasicControlCapability/operation/set", "HOME")]
    assert said(robot, f"{ROBOT}/hass/robot_state", {"state": "cleaning", "battery_level": 60}) == {
        "state": "cleaning"
    }
    assert said(robot, f"{ROBOT}/hass/robot_state", {"state": "dancing"}) == {}
    assert said(robot, f"{ROBOT}/$state", "lost") == {"available": False}
