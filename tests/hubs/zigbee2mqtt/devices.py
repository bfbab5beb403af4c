"""Devices of a simulated Zigbee network: products that zigbee2mqtt knows, and what they hold at first."""

import json
from dataclasses import dataclass, field
from typing import Any

BASIC, IDENTIFY, GROUPS, ON_OFF, LEVEL, COLOR = 0, 3, 4, 6, 8, 0x300
POWER, COVERING, LOCK, THERMOSTAT = 1, 0x102, 0x101, 0x201
TEMPERATURE, HUMIDITY, OCCUPANCY, DIAGNOSTIC = 0x402, 0x405, 0x406, 0xB05
HOME_AUTOMATION = 260

Memory = dict[int, dict[str, dict[str, Any]]]
"""Attributes, by endpoint and cluster."""


@dataclass(frozen=True)
class Simulated:
    """A device of the network."""

    name: str
    manufacturer: str
    model: str
    clusters: tuple[int, ...]
    memory: Memory = field(default_factory=dict)
    """Without one it does not answer."""
    is_battery: bool = False
    endpoints: tuple[int, ...] = (1,)


IKEA = "IKEA of Sweden"
BULB = (BASIC, IDENTIFY, GROUPS, ON_OFF, LEVEL)
OFF = {"genOnOff": {"onOff": 0}}
DARK = OFF | {"genLevelCtrl": {"currentLevel": 254}}
COLORS = {"colorCapabilities": 31, "colorTempPhysicalMin": 153, "colorTempPhysicalMax": 500}

DEVICES = (
    Simulated("kitchen/ceiling lamp", IKEA, "TRADFRI bulb E27 opal 1000lm", BULB, {1: DARK}),
    Simulated("bedroom/bedside lamp", IKEA, "TRADFRI bulb E27 opal 1000lm", BULB, {1: DARK}),
    Simulated(
        "living room/sofa lamp",
        "Philips",
        "LCT015",
        (*BULB, COLOR),
        {1: DARK | {"lightingColorCtrl": COLORS}},
    ),
    Simulated("kitchen/coffee maker", "innr", "SP 220", (BASIC, GROUPS, ON_OFF), {1: OFF}),
    Simulated("garden/fountain", "innr", "SP 220", (BASIC, GROUPS, ON_OFF)),
    Simulated(
        "hall/switch", "LUMI", "lumi.ctrl_neutral2", (BASIC, ON_OFF), {2: OFF, 3: OFF}, endpoints=(1, 2, 3)
    ),
    Simulated(
        "bedroom/blinds",
        IKEA,
        "FYRTUR block-out roller blind",
        (BASIC, POWER, GROUPS, COVERING),
        {1: {"closuresWindowCovering": {"currentPositionLiftPercentage": 0}}},
        is_battery=True,
    ),
    Simulated(
        "hall/front door lock",
        "Yale",
        "YRD226 TSDB",
        (BASIC, POWER, LOCK),
        {1: {"closuresDoorLock": {"lockState": 1}}},
        is_battery=True,
    ),
    Simulated(
        "living room/radiator",
        "Danfoss",
        "eTRV0100",
        (BASIC, POWER, THERMOSTAT, DIAGNOSTIC),
        {
            1: {
                "hvacThermostat": {"localTemp": 2050, "occupiedHeatingSetpoint": 2000, "systemMode": 4},
                "haDiagnostic": {"danfossSystemStatusCode": 0},
            }
        },
        is_battery=True,
    ),
    Simulated("kitchen/window", "LUMI", "lumi.sensor_magnet.aq2", (BASIC, ON_OFF), {1: OFF}, is_battery=True),
    Simulated(
        "hall/motion",
        "LUMI",
        "lumi.sensor_motion.aq2",
        (BASIC, OCCUPANCY),
        {1: {"msOccupancySensing": {"occupancy": 1}}},
        is_battery=True,
    ),
    Simulated(
        "bathroom/climate",
        "LUMI",
        "lumi.weather",
        (BASIC, TEMPERATURE, HUMIDITY),
        {
            1: {
                "msTemperatureMeasurement": {"measuredValue": 2310},
                "msRelativeHumidity": {"measuredValue": 5600},
            }
        },
        is_battery=True,
    ),
)


def address(name: str) -> str:
    """The IEEE address of a device; its last two bytes are its network address, too."""
    number = next(number for number, device in enumerate(DEVICES, 1) if device.name == name)
    return f"0x00124b000000{number:04x}"


def memory() -> str:
    """What the devices hold at first, as the adapter reads it."""
    return json.dumps({address(device.name): device.memory for device in DEVICES if device.memory})


def database() -> str:
    """zigbee2mqtt's file of devices, with all of them interviewed."""
    coordinator = {"type": "Coordinator", "ieeeAddr": "0x0000000000000000", "nwkAddr": 0}
    entries = [coordinator | _interviewed((1,), ())]
    for device in DEVICES:
        ieee = address(device.name)
        entries.append(
            {
                "type": "EndDevice" if device.is_battery else "Router",
                "ieeeAddr": ieee,
                "nwkAddr": int(ieee[-4:], 16),
                "manufName": device.manufacturer,
                "modelId": device.model,
                "powerSource": "Battery" if device.is_battery else "Mains (single phase)",
            }
            | _interviewed(device.endpoints, device.clusters)
        )
    return "\n".join(json.dumps({"id": number} | entry) for number, entry in enumerate(entries, 1))


def _interviewed(endpoints: tuple[int, ...], clusters: tuple[int, ...]) -> dict[str, Any]:
    described = {
        number: {
            "profId": HOME_AUTOMATION,
            "epId": number,
            "devId": 0,
            "inClusterList": clusters,
            "outClusterList": [],
            "clusters": {},
            "binds": [],
            "configuredReportings": [],
            "meta": {},
        }
        for number in endpoints
    }
    return {
        "epList": endpoints,
        "endpoints": described,
        "interviewCompleted": True,
        "interviewState": "SUCCESSFUL",
        "meta": {},
    }
