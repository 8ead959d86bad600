package state_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/state"
)

// TestEntry checks the server of an entry, and that its certificate is the administrator's.
func TestEntry(t *testing.T) {
	t.Parallel()
	reached := "127.0.0.1:36443"
	p := &fake.Provider{Published: func(*fake.Node, int) (string, error) { return reached, nil }}
	c := componenttest.ClusterOf(t, config.Cluster{Name: "blue", Nodes: []config.Node{{}, {}}}, p)
	balancer := c.LoadBalancer().IP().String()
	for _, test := range []struct {
		reached  string
		internal bool
		server   string
		name     string
	}{
		{"127.0.0.1:36443", false, "https://127.0.0.1:36443", ""},
		{"127.0.0.1:36443", true, "https://" + balancer + ":6443", ""},
		{"192.0.2.1:6443", false, "https://192.0.2.1:6443", "kubernetes"}, // not in the certificate
		{"192.0.2.1:6443", true, "https://" + balancer + ":6443", ""},
	} {
		reached = test.reached
		e, err := state.Entry(t.Context(), c, test.internal)
		if err != nil || e.Server != test.server || e.TLSServerName != test.name || e.Name != "mkube-blue" {
			t.Errorf("internal %t: the entry %s is for %s as %q, %v; want %s as %q", test.internal, e.Name, e.Server, e.TLSServerName, err, test.server, test.name)
		}
		if !bytes.Equal(e.CA, c.PKI.Cluster.CertPEM()) || len(e.ClientCert) == 0 || len(e.ClientKey) == 0 {
			t.Errorf("the keys of the entry are %+v", e)
		}
	}
	p.Published = func(*fake.Node, int) (string, error) { return "", errors.New("down") }
	if _, err := state.Entry(context.Background(), c, false); err == nil || err.Error() != "down" {
		t.Errorf("an engine that does not answer: %v", err)
	}
}
