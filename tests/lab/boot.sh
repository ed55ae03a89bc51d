# The first process of both hosts: what firmware and hypervisor do before systemd starts. It runs at each boot.
# Arguments: the machine's cgroup v1 hierarchies (`memory`, `cpu,cpuacct`, `name=systemd`); none on cgroup v2.
set -eu

# The machine's own devices; a container gets an empty /dev at each start.
mknod -m 0660 /dev/loop-control c 10 237
number=0
while [ "$number" -lt 64 ]; do
    mknod -m 0660 "/dev/loop$number" b 7 "$number"
    number=$((number + 1))
done

# Inside a cgroup namespace these mounts show this container's part alone, so nothing of it lands beside it.
if [ $# -eq 0 ]; then
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 /sys/fs/cgroup
    exec /lib/systemd/systemd
fi
for hierarchy; do
    mkdir -p "/sys/fs/cgroup/${hierarchy#name=}"
    case $hierarchy in
        name=*) options="none,$hierarchy" ;;
        *) options=$hierarchy ;;
    esac
    mount -t cgroup -o "nosuid,nodev,noexec,$options" cgroup "/sys/fs/cgroup/${hierarchy#name=}"
done
# Read-only: otherwise systemd mounts the hierarchies that the machine does not use, at the machine's root.
mount -o remount,ro /sys/fs/cgroup
export SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1
exec /lib/systemd/systemd systemd.unified_cgroup_hierarchy=0
