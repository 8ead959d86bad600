package heartbeat

import (
	"bytes"
	"encoding/pem"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mkube/mkube/images/cloud-controller-manager/speaker"
)

// key is the key of the cluster in the tests.
var key = bytes.Repeat([]byte("k"), keySize)

// pair returns two nodes on this machine's loopback interface. Each sends to the port of the other.
func pair(t *testing.T, loopback string) (a, b *UDP) {
	t.Helper()
	address := netip.MustParseAddr(loopback)
	first, err := listen(t.Context(), netip.AddrPortFrom(address, 0), 0, key)
	if err != nil {
		t.Fatal(err)
	}
	port := func(u *UDP) uint16 { return u.conn.LocalAddr().(*net.UDPAddr).AddrPort().Port() }
	second, err := listen(t.Context(), netip.AddrPortFrom(address, 0), port(first), key)
	if err != nil {
		t.Fatal(err)
	}
	first.port = port(second)
	return first, second
}

func receive(t *testing.T, u *UDP) speaker.Heard {
	t.Helper()
	select {
	case h := <-u.Received():
		return h
	case <-time.After(10 * time.Second):
		t.Fatal("no heartbeat arrives")
		return speaker.Heard{}
	}
}

func TestHeartbeats(t *testing.T) {
	t.Parallel()
	for _, loopback := range []string{"127.0.0.1", "::1"} {
		a, b := pair(t, loopback)
		address := netip.MustParseAddr(loopback)
		for _, ready := range []bool{true, false} {
			a.Send(address, speaker.Beat{Ready: ready})
			if got, want := receive(t, b), (speaker.Heard{From: address, Beat: speaker.Beat{Ready: ready}}); got != want {
				t.Errorf("received %+v; want %+v", got, want)
			}
			b.Send(address, speaker.Beat{Ready: !ready})
			if got := receive(t, a); got.Beat.Ready == ready {
				t.Errorf("the answer is %+v", got)
			}
		}
	}
}

// TestOtherPacketsAreDropped sends a node what programs without the key can send from the address of
// another node.
func TestOtherPacketsAreDropped(t *testing.T) {
	t.Parallel()
	a, b := pair(t, "127.0.0.1")
	here, elsewhere := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	node := func(address netip.Addr, key string) *UDP { return &UDP{address: address, key: []byte(key)} }
	good := node(here, string(key)).encode(here, speaker.Beat{})
	changed := bytes.Clone(good)
	changed[len(magic)] = '1'
	for name, packet := range map[string][]byte{
		"nothing":                   nil,
		"text":                      []byte("hello"),
		"without a code":            []byte("mkube speaker 2 0"),
		"of the version before":     []byte("mkube speaker 1 0"),
		"with a code of zeros":      append([]byte("mkube speaker 2 0"), make([]byte, 32)...),
		"half a code":               good[:len(good)-16],
		"with more after the code":  append(bytes.Clone(good), 'x'),
		"with a changed digit":      changed,
		"of another cluster":        node(here, "another key of thirty-two bytes.").encode(here, speaker.Beat{}),
		"without a key":             node(here, "").encode(here, speaker.Beat{}),
		"that another node sent":    node(elsewhere, string(key)).encode(here, speaker.Beat{}),
		"that another node is sent": node(here, string(key)).encode(elsewhere, speaker.Beat{}),
		"long":                      make([]byte, 1000),
	} {
		if _, err := a.conn.WriteTo(packet, b.conn.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		a.Send(here, speaker.Beat{Ready: true})
		if got := receive(t, b); !got.Beat.Ready {
			t.Errorf("a packet %s was received as %+v", name, got)
			receive(t, b) // the heartbeat after it
		}
	}
}

func TestListenNeedsTheAddress(t *testing.T) {
	t.Parallel()
	if _, err := Listen(t.Context(), netip.MustParseAddr("192.0.2.1"), key); err == nil {
		t.Error("it listens at an address that is not this machine's")
	}
}

func TestReadKey(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "key")
	for content, want := range map[string]string{
		string(pem.EncodeToMemory(&pem.Block{Type: "HEARTBEAT KEY", Bytes: key})):     "",
		string(pem.EncodeToMemory(&pem.Block{Type: "HEARTBEAT KEY", Bytes: key[1:]})): file + " contains no key of 32 bytes in PEM",
		string(key): file + " contains no key of 32 bytes in PEM",
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadKey(file)
		if want == "" && (err != nil || !bytes.Equal(got, key)) || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("ReadKey of %q = %q, %v; want the error %q", content, got, err, want)
		}
	}
	if _, err := ReadKey(file + "x"); err == nil || !strings.HasPrefix(err.Error(), "reading the key of the heartbeats: open "+file+"x: ") {
		t.Errorf("without the file, ReadKey = %v", err)
	}
}
