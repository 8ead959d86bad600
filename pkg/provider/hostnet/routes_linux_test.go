package hostnet

import (
	"encoding/binary"
	"net/netip"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// message returns a route as the kernel reports it.
func message(family, kind uint8, flags uint32, dst string, link int) syscall.NetlinkMessage {
	bits := 0
	var attributes []byte
	if dst != "" {
		p := netip.MustParsePrefix(dst)
		bits = p.Bits()
		attributes = append(attributes, attribute(unix.RTA_DST, p.Addr().AsSlice())...)
	}
	if link > 0 {
		attributes = append(attributes, attribute(unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(link)))...)
	}
	data := []byte{family, byte(bits), 0, 0, unix.RT_TABLE_MAIN, 0, 0, kind}
	data = append(binary.NativeEndian.AppendUint32(data, flags), attributes...)
	return syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: unix.RTM_NEWROUTE, Len: uint32(syscall.NLMSG_HDRLEN + len(data))}, Data: data}
}

func attribute(kind uint16, value []byte) []byte {
	data := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	return append(binary.NativeEndian.AppendUint16(data, kind), value...)
}

func TestRoute(t *testing.T) {
	t.Parallel()
	name := func(index int) string { return map[int]string{7: "wg0"}[index] }
	const v4, v6 = unix.AF_INET, unix.AF_INET6
	ended := message(v4, unix.RTN_UNICAST, 0, "10.1.0.0/16", 7)
	ended.Header.Type = unix.NLMSG_DONE
	short := message(v4, unix.RTN_UNICAST, 0, "10.1.0.0/16", 7)
	short.Data = short.Data[:4]
	for title, test := range map[string]struct {
		message syscall.NetlinkMessage
		want    string // "" for none
	}{
		"of a VPN":              {message(v4, unix.RTN_UNICAST, 0, "10.89.0.0/18", 7), "10.89.0.0/18 of this host's route by wg0"},
		"of IPv6":               {message(v6, unix.RTN_UNICAST, 0, "fd4d:5ab1:b9e4::/50", 7), "fd4d:5ab1:b9e4::/50 of this host's route by wg0"},
		"to nowhere":            {message(v4, unix.RTN_BLACKHOLE, 0, "10.89.0.0/18", 0), "10.89.0.0/18 of a route of this host"},
		"that is unreachable":   {message(v4, unix.RTN_UNREACHABLE, 0, "10.89.0.0/18", 0), "10.89.0.0/18 of a route of this host"},
		"that is prohibited":    {message(v4, unix.RTN_PROHIBIT, 0, "10.89.0.0/18", 0), "10.89.0.0/18 of a route of this host"},
		"to this host":          {message(v4, unix.RTN_LOCAL, 0, "10.89.0.0/18", 7), "10.89.0.0/18 of this host's route by wg0"},
		"by a link that went":   {message(v4, unix.RTN_UNICAST, 0, "10.1.0.0/16", 9), "10.1.0.0/16 of a route of this host"},
		"default":               {message(v4, unix.RTN_UNICAST, 0, "", 7), ""},
		"half of the default":   {message(v4, unix.RTN_UNICAST, 0, "128.0.0.0/1", 7), ""},
		"IPv6's default":        {message(v6, unix.RTN_UNREACHABLE, 0, "", 7), ""},
		"broadcast":             {message(v4, unix.RTN_BROADCAST, 0, "10.1.255.255/32", 7), ""},
		"multicast":             {message(v6, unix.RTN_MULTICAST, 0, "ff00::/8", 7), ""},
		"thrown to the next":    {message(v4, unix.RTN_THROW, 0, "10.1.0.0/16", 7), ""},
		"link-local":            {message(v6, unix.RTN_UNICAST, 0, "fe80::/64", 7), ""},
		"loopback":              {message(v4, unix.RTN_LOCAL, 0, "127.0.0.0/8", 1), ""},
		"a cached one":          {message(v6, unix.RTN_UNICAST, unix.RTM_F_CLONED, "fd00::1/128", 7), ""},
		"the end of the list":   {ended, ""},
		"a message that is cut": {short, ""},
	} {
		got, ok := route(test.message, name)
		text := ""
		if ok {
			text = got.Subnet.String() + " of " + got.By
		}
		if text != test.want {
			t.Errorf("%s: %q; want %q", title, text, test.want)
		}
	}
}

// TestRoutesOfAllTables reads the routes of a network namespace with its own routes.
func TestRoutesOfAllTables(t *testing.T) {
	t.Parallel()
	ip, err := exec.LookPath("ip")
	if err != nil {
		t.Skip("there is no ip command")
	}
	// The thread ends with the test's goroutine, because it is never unlocked. The namespace ends
	// with it.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("another network namespace takes root: %v", err)
	}
	for _, line := range []string{
		"link set lo up", "route add blackhole 10.89.0.0/18", "route add unreachable 172.20.0.0/16 table 51820",
		"-6 route add blackhole fd4d:5ab1:b9e4::/50", "route add blackhole 0.0.0.0/1", "route add blackhole 128.0.0.0/1",
	} {
		if out, err := exec.Command(ip, strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Errorf("ip %s: %v: %s", line, err, out)
		}
	}
	uses, err := routes()
	if err != nil {
		t.Error(err)
	}
	var got []string
	for _, u := range uses {
		got = append(got, u.Subnet.String())
	}
	slices.Sort(got)
	if want := []string{"10.89.0.0/18", "172.20.0.0/16", "fd4d:5ab1:b9e4::/50"}; !slices.Equal(got, want) {
		t.Errorf("the routes are %v; want %v", got, want)
	}
	if links, err := addresses(); err != nil || len(links) > 0 {
		t.Errorf("a namespace with nothing but loopback has %v, %v", links, err)
	}
}
