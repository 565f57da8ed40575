# Asks the metadata service for a token: from this machine, then from a
# container of its bridge, for which this machine routes.
set -e
token='curl -s -m 3 -o /dev/null -w "%{http_code}\n" -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" http://169.254.169.254/latest/api/token || echo "curl: status $?"'
echo "machine: $(sh -c "$token")"
ip link add bridge0 type veth peer name c0
unshare --net sleep 60 &
container=$!
trap 'kill $container' EXIT
until [ "$(readlink /proc/$container/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.05; done
ip link set c0 netns $container
ip addr add 172.30.0.1/24 dev bridge0
ip link set bridge0 up
echo 1 >/proc/sys/net/ipv4/ip_forward
nsenter -t $container -n sh -c 'ip addr add 172.30.0.2/24 dev c0; ip link set c0 up; ip route add default via 172.30.0.1'
echo "container: $(nsenter -t $container -n sh -c "$token")"
