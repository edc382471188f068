"""A real OpenStack on this machine for tests: plain processes on the loopback address, no systemd.

`python3 -m tests.cloud up` needs nothing but Python's standard library, for it makes the virtual environment
that everything else lives in. docs/cloud.md says what runs and which traps lie there.

    settings, packages                   what the cloud is asked to be; what has to be installed first
    processes, order, assembly           one process; many steps in the order of their needs; all of them
    proc, service                        what the kernel tells of processes; what kinds of steps there are
    database, rabbit, amqp, switch       MariaDB; RabbitMQ and a question to it; Open vSwitch
    keystone, placement, neutron, kuryr, zun, heat, glance, cinder     one OpenStack project each
    docker, registry                     the engine below Zun; where Zun and tenants pull from
    configuration, rest, access          ini files; JSON over HTTP with a token; openrc and clouds.yaml
    wipe                                 nothing is left
    inside/                              programs that run with the cloud's own Python
"""
