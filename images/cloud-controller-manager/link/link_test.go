package link

import (
	"encoding/hex"
	"net"
	"net/netip"
	"testing"
)

var hardware = net.HardwareAddr{2, 0x42, 0x0a, 0x59, 0, 2}

func TestARPAnnouncement(t *testing.T) {
	t.Parallel()
	got := hex.EncodeToString(arpAnnouncement(hardware, netip.MustParseAddr("10.89.0.200")))
	want := "0001" + "0800" + "06" + "04" + "0001" + "02420a590002" + "0a5900c8" + "000000000000" + "0a5900c8"
	if got != want {
		t.Errorf("the packet is %s; want %s", got, want)
	}
}

func TestNeighborAdvertisement(t *testing.T) {
	t.Parallel()
	got := hex.EncodeToString(neighborAdvertisement(hardware, netip.MustParseAddr("fd00::c8")))
	want := "88" + "00" + "0000" + "20000000" + "fd0000000000000000000000000000c8" + "0201" + "02420a590002"
	if got != want {
		t.Errorf("the packet is %s; want %s", got, want)
	}
}

func TestSwap(t *testing.T) {
	t.Parallel()
	if got := swap(swap(0x0806)); got != 0x0806 {
		t.Errorf("swapped twice 0x0806 is %#x", got)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	l, err := Find(netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	if l.String() == "" || l.index == 0 || !l.Pools().Contains(netip.MustParseAddr("127.192.0.1")) {
		t.Errorf("the loopback is %+v", l)
	}
	held, err := l.Held()
	if err != nil || len(held) != 0 {
		t.Errorf("it holds %v, %v", held, err)
	}
	if _, err := Find(netip.MustParseAddr("192.0.2.1")); err == nil {
		t.Error("an interface has an address of the documentation's network")
	}
}
