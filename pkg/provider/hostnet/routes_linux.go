package hostnet

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// routes reads the routes of all tables from the kernel: a VPN often has a table that a rule
// selects. See rtnetlink(7).
func routes() ([]Use, error) {
	var list []Use
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		data, err := syscall.NetlinkRIB(unix.RTM_GETROUTE, family)
		if err != nil {
			return nil, fmt.Errorf("listing this host's routes: %w", err)
		}
		messages, err := syscall.ParseNetlinkMessage(data)
		if err != nil {
			return nil, fmt.Errorf("reading this host's routes: %w", err)
		}
		for _, m := range messages {
			if use, ok := route(m, linkName); ok {
				list = append(list, use)
			}
		}
	}
	return list, nil
}

func linkName(index int) string {
	link, err := net.InterfaceByIndex(index)
	if err != nil {
		return "" // the link was removed in the meantime, or is in another namespace
	}
	return link.Name
}

// taking lists the types of routes that occupy a subnet, even if they drop its packets. The
// kernel's own routes for broadcast and multicast belong to no network.
var taking = []uint8{unix.RTN_UNICAST, unix.RTN_LOCAL, unix.RTN_BLACKHOLE, unix.RTN_UNREACHABLE, unix.RTN_PROHIBIT}

// route parses one message of the kernel's answer. ok is false if it occupies no subnet.
func route(m syscall.NetlinkMessage, name func(index int) string) (use Use, ok bool) {
	if m.Header.Type != unix.RTM_NEWROUTE || len(m.Data) < unix.SizeofRtMsg {
		return Use{}, false
	}
	// The fields of struct rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, and
	// flags.
	family, bits, kind := m.Data[0], int(m.Data[1]), m.Data[7]
	cached := binary.NativeEndian.Uint32(m.Data[8:12])&unix.RTM_F_CLONED != 0
	if cached || !slices.Contains(taking, kind) {
		return Use{}, false
	}
	addr := netip.IPv4Unspecified()
	if family == unix.AF_INET6 {
		addr = netip.IPv6Unspecified()
	}
	attributes, err := syscall.ParseNetlinkRouteAttr(&m)
	if err != nil {
		return Use{}, false
	}
	by := "a route of this host"
	for _, a := range attributes {
		switch a.Attr.Type {
		case unix.RTA_DST:
			if dst, valid := netip.AddrFromSlice(a.Value); valid {
				addr = dst
			}
		case unix.RTA_OIF:
			if link := name(int(binary.NativeEndian.Uint32(a.Value))); len(a.Value) == 4 && link != "" {
				by = "this host's route by " + link
			}
		}
	}
	subnet := netip.PrefixFrom(addr, bits).Masked()
	if !subnet.IsValid() || everywhere(subnet) || !routable(subnet.Addr()) {
		return Use{}, false
	}
	return Use{subnet, by}, true
}
