package config

import (
	"reflect"
	"slices"
	"testing"
)

func TestPublishedAt(t *testing.T) {
	t.Parallel()
	given := Cluster{
		Networking: Networking{APIServerAddress: ""},
		Nodes: []Node{{}, {ExtraPortMappings: []PortMapping{
			{ContainerPort: 80}, {ContainerPort: 81, ListenAddress: "127.0.0.1"}, {ContainerPort: 82, ListenAddress: "::"},
		}}},
	}
	got := given.PublishedAt("0.0.0.0")
	if got.Networking.APIServerAddress != "0.0.0.0" {
		t.Errorf("the API server is published at %q", got.Networking.APIServerAddress)
	}
	var addresses []string
	for _, m := range got.Nodes[1].ExtraPortMappings {
		addresses = append(addresses, m.ListenAddress)
	}
	if want := []string{"0.0.0.0", "127.0.0.1", "::"}; !slices.Equal(addresses, want) {
		t.Errorf("the ports are published at %q; want %q", addresses, want)
	}
	if given.Nodes[1].ExtraPortMappings[0].ListenAddress != "" {
		t.Error("the receiver has changed")
	}
	if again := got.PublishedAt("192.0.2.1"); !reflect.DeepEqual(again, got) {
		t.Errorf("an address that is set becomes another: %+v", again)
	}
}

func TestAPIServerHosts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		n    Networking
		more []string
	}{
		{Networking{}, nil},
		{Networking{APIServerAddress: "127.0.0.1"}, nil},
		{Networking{APIServerAddress: "0.0.0.0", APIServerCertSANs: []string{"::1", "a.example", "0.0.0.0"}}, []string{"0.0.0.0", "a.example"}},
	} {
		if got, want := tt.n.APIServerHosts(), append([]string{"localhost", "127.0.0.1", "::1"}, tt.more...); !slices.Equal(got, want) {
			t.Errorf("APIServerHosts of %+v = %q; want %q", tt.n, got, want)
		}
	}
}

// TestPortsOfBothFamilies checks that one port number on an address of each family is two sockets.
func TestPortsOfBothFamilies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b  string
		valid bool
	}{
		{"127.0.0.1", "::1", true},
		{"0.0.0.0", "::", true},
		{"0.0.0.0", "::1", true},
		{"127.0.0.1", "127.0.0.2", true},
		{"0.0.0.0", "127.0.0.1", false},
		{"127.0.0.1", "0.0.0.0", false},
		{"::", "::1", false},
		{"", "127.0.0.1", false},
		{"", "0.0.0.0", false},
		{"::1", "0:0::1", false},
		{"127.0.0.1", "::ffff:127.0.0.1", false},
	} {
		mapping := func(address string) PortMapping {
			return PortMapping{ContainerPort: 80, HostPort: 8080, ListenAddress: address}
		}
		c := Cluster{Nodes: []Node{{ExtraPortMappings: []PortMapping{mapping(tt.a), mapping(tt.b)}}}}.Default()
		if err := c.Validate(); (err == nil) != tt.valid {
			t.Errorf("%q and %q: %v", tt.a, tt.b, err)
		}
	}
}
