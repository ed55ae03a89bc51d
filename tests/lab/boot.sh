# The first process of both hosts: what firmware and hypervisor do before systemd starts. It runs at each boot.
set -eu

# What one mounts all see, as systemd has it on a machine: by that it hands credentials to services.
mount --make-rshared /

# The machine's own devices; a container gets an empty /dev at each start.
mknod -m 0660 /dev/loop-control c 10 237
number=0
while [ "$number" -lt 64 ]; do
    mknod -m 0660 "/dev/loop$number" b 7 "$number"
    number=$((number + 1))
done

# The machine's kernel came without its modules: they are built in, and systemd must not look for them.
[ -d "/lib/modules/$(uname -r)" ] || set -- systemd.mask=systemd-modules-load.service

# Inside a cgroup namespace these mounts show this container's part alone, so nothing of it lands beside it.
if ! grep -q '^[0-9]*:[^:]*\bmemory\b' /proc/self/cgroup; then
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 /sys/fs/cgroup
    exec /lib/systemd/systemd "$@"
fi

# cgroup v1: containerd wants every hierarchy that is in use, and systemd one of its own name.
for hierarchy in $(cut -d : -f 2 /proc/self/cgroup | grep -v '^name=systemd$') name=systemd; do
    directory=/sys/fs/cgroup/${hierarchy#name=}
    case $hierarchy in
        name=*) options="none,$hierarchy" ;;
        *) options=$hierarchy ;;
    esac
    mkdir "$directory"
    mount -t cgroup -o "nosuid,nodev,noexec,$options" cgroup "$directory"
done
# Read-only: otherwise systemd brings those into use that the machine does without, outside of this container's part.
mount -o remount,ro /sys/fs/cgroup
export SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1
exec /lib/systemd/systemd systemd.unified_cgroup_hierarchy=0 "$@"
