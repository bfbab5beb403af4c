// Takes the place of zigbee2mqtt's Zigbee adapter: devices that live in memory. For `node --require`.
//
// SIMULATED_DEVICES is a JSON file: {address: {endpoint: {cluster: {attribute: value}}}}. A device not
// in it does not answer. A POST of the same form to SIMULATED_PORT changes values, which the devices report.
// Its answer is what all of them hold.

const fs = require("node:fs");
const http = require("node:http");
const {createRequire} = require("node:module");

const herdsman = createRequire(createRequire(process.argv[1]).resolve("zigbee-herdsman"));
const {Adapter} = herdsman("./adapter/adapter.js");
const Zcl = herdsman("./zspec/zcl");
const Zdo = herdsman("./zspec/zdo");

// What commands set, by their payload.
const EFFECTS = {
    genOnOff: {on: () => ({onOff: 1}), off: () => ({onOff: 0})},
    genLevelCtrl: {
        moveToLevel: ({level}) => ({currentLevel: level}),
        moveToLevelWithOnOff: ({level}) => ({currentLevel: level, genOnOff: {onOff: level > 0 ? 1 : 0}}),
    },
    lightingColorCtrl: {
        moveToColor: ({colorx, colory}) => ({currentX: colorx, currentY: colory, colorMode: 1}),
        moveToColorTemp: ({colortemp}) => ({colorTemperature: colortemp, colorMode: 2}),
    },
    closuresWindowCovering: {
        upOpen: () => ({currentPositionLiftPercentage: 0}),
        downClose: () => ({currentPositionLiftPercentage: 100}),
        goToLiftPercentage: ({percentageliftvalue: value}) => ({currentPositionLiftPercentage: value}),
    },
    closuresDoorLock: {lockDoor: () => ({lockState: 1}), unlockDoor: () => ({lockState: 2})},
    hvacThermostat: {danfossSetpointCommand: ({setpoint}) => ({occupiedHeatingSetpoint: setpoint})},
};

class SimulatedAdapter extends Adapter {
    memory = JSON.parse(fs.readFileSync(process.env.SIMULATED_DEVICES, "utf8"));
    groups = {};
    sequence = 0;

    async start() {
        this.server = http.createServer((request, response) => {
            let body = "";
            request.on("data", (part) => (body += part));
            request.on("end", () => {
                for (const [device, endpoints] of Object.entries(JSON.parse(body)))
                    for (const [endpoint, changes] of Object.entries(endpoints))
                        this.change(device, +endpoint, changes);
                response.end(JSON.stringify(this.memory));
            });
        });
        this.server.listen(+process.env.SIMULATED_PORT, "127.0.0.1");
        return "resumed";
    }

    async stop() {
        this.server.close();
    }

    async getCoordinatorIEEE() {
        return "0x0000000000000000";
    }

    async getCoordinatorVersion() {
        return {type: "simulated", meta: {}};
    }

    async getNetworkParameters() {
        const {panID, channelList} = this.networkOptions;
        return {panID, extendedPanID: "0x00", channel: channelList[0], nwkUpdateID: 0};
    }

    async supportsBackup() {
        return false;
    }

    async permitJoin() {}

    async sendZdo() {
        return [Zdo.Status.SUCCESS, undefined]; // bindings
    }

    async sendZclFrameToEndpoint(device, _networkAddress, endpoint, frame) {
        if (!this.memory[device]) throw new Error("no answer");
        return this.answer(device, endpoint, frame);
    }

    async sendZclFrameToGroup(group, frame) {
        for (const [device, endpoint] of this.groups[group] ?? []) this.answer(device, endpoint, frame);
    }

    async sendZclFrameToAll() {}

    answer(device, endpoint, {header, cluster, command, payload}) {
        const reply = (name, content, frameType = Zcl.FrameType.GLOBAL) =>
            this.message(device, endpoint, header, frameType, name, cluster, content);
        const success = {status: Zcl.Status.SUCCESS};
        if (header.isGlobal) {
            if (command.name === "read")
                return reply(
                    "readRsp",
                    payload.map(({attrId}) => this.record(device, endpoint, cluster, attrId)),
                );
            if (command.name === "write") {
                const values = {};
                for (const {attrId, attrData} of payload) values[attribute(cluster, attrId).name] = attrData;
                setImmediate(() => this.change(device, endpoint, {[cluster.name]: values}));
            }
            return reply(command.name === "configReport" ? "configReportRsp" : "writeRsp", [success]);
        }
        if (cluster.name === "genGroups" && command.name === "add")
            (this.groups[payload.groupid] ??= []).push([device, endpoint]);
        const {genOnOff, ...own} = EFFECTS[cluster.name]?.[command.name]?.(payload) ?? {};
        setImmediate(() => this.change(device, endpoint, {[cluster.name]: own, ...(genOnOff && {genOnOff})}));
        if (command.response === undefined)
            return reply("defaultRsp", {cmdId: command.ID, statusCode: success.status});
        const response = Object.values(cluster.commandsResponse).find(({ID}) => ID === command.response);
        return reply(response.name, {...payload, ...success}, Zcl.FrameType.SPECIFIC);
    }

    record(device, endpoint, cluster, id) {
        const {name, type} = attribute(cluster, id);
        const value = this.memory[device][endpoint]?.[cluster.name]?.[name];
        if (value === undefined) return {attrId: id, status: Zcl.Status.UNSUPPORTED_ATTRIBUTE};
        return {attrId: id, status: Zcl.Status.SUCCESS, dataType: type, attrData: value};
    }

    // Sets values, and reports them.
    change(device, endpoint, clusters) {
        for (const [name, values] of Object.entries(clusters)) {
            Object.assign(((this.memory[device][endpoint] ??= {})[name] ??= {}), values);
            const cluster = Zcl.Utils.getCluster(name, undefined, {});
            const ids = Object.keys(values).map((key) => cluster.attributes[key]?.ID);
            const known = ids.filter((id) => id !== undefined);
            const records = known.map((id) => this.record(device, endpoint, cluster, id));
            if (!records.length) continue;
            this.sequence = (this.sequence + 1) % 256;
            const header = {transactionSequenceNumber: this.sequence};
            const type = Zcl.FrameType.GLOBAL;
            this.emit("zclPayload", this.message(device, endpoint, header, type, "report", cluster, records));
        }
    }

    // A frame from a device; header has its transactionSequenceNumber, and perhaps a manufacturerCode.
    message(device, endpoint, header, frameType, command, cluster, payload) {
        const {manufacturerCode, transactionSequenceNumber: sequence} = header;
        const direction = Zcl.Direction.SERVER_TO_CLIENT;
        const frame = [frameType, direction, true, manufacturerCode, sequence, command, cluster, payload, {}];
        const data = Zcl.Frame.create(...frame).toBuffer();
        return {
            data,
            endpoint,
            header: Zcl.Header.fromBuffer(data),
            clusterID: cluster.ID,
            address: Number.parseInt(device.slice(-4), 16), // network addresses are made so
            destinationEndpoint: 1,
            groupID: 0,
            linkquality: 100,
            wasBroadcast: false,
        };
    }
}

function attribute(cluster, id) {
    return Object.values(cluster.attributes).find(({ID}) => ID === id) ?? {name: String(id)};
}

Adapter.create = async (...options) => new SimulatedAdapter(...options);
