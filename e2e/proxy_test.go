//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/network"

	"github.com/mkube/mkube/pkg/pki"
)

// outsideRegistry is the name of a registry that only the proxy of a test reaches.
const outsideRegistry = "registry.example.test"

// companyNetwork is a proxy that nodes reach, and a registry behind it whose certificate is of the
// company's own authority.
type companyNetwork struct {
	url    string // of the proxy
	caFile string // the certificate of the authority

	mu        sync.Mutex
	connected []string // the targets of the CONNECT requests
	registry  string   // the address of the TLS server of the registry, once it runs
}

// newCompanyNetwork starts the proxy. It listens on the address of Docker's bridge, as
// docs/proxies.md suggests.
func newCompanyNetwork(t *testing.T) *companyNetwork {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(bridgeAddress(t).String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	n := &companyNetwork{url: "http://" + listener.Addr().String(), caFile: filepath.Join(t.TempDir(), "company-ca.pem")}
	server := &http.Server{Handler: http.HandlerFunc(n.connect), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return n
}

// serve starts the registry's TLS server, which forwards to a registry of plain HTTP.
func (n *companyNetwork) serve(t *testing.T, backend string) {
	t.Helper()
	company, err := pki.NewAuthority("company", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := company.Issue(pki.Request{CommonName: outsideRegistry, DNSNames: []string{outsideRegistry}, Usage: pki.Server})
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: backend}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	t.Cleanup(server.Close)
	// The node has mounted the file, so it must stay the same file.
	if err := os.WriteFile(n.caFile, company.CertPEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.registry = server.Listener.Addr().String()
}

// connect answers a CONNECT request with a tunnel to the registry, whatever the target is.
func (n *companyNetwork) connect(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	n.connected = append(n.connected, r.Host)
	registry := n.registry
	n.mu.Unlock()
	if r.Method != http.MethodConnect || r.Host != outsideRegistry+":443" {
		http.Error(w, "only "+outsideRegistry+" is behind this proxy", http.StatusForbidden)
		return
	}
	target, err := (&net.Dialer{}).DialContext(context.WithoutCancel(r.Context()), "tcp", registry)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer target.Close()
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer client.Close()
	_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { _, _ = io.Copy(target, buffered) }()
	_, _ = io.Copy(client, target)
}

// targets returns the targets of all requests so far.
func (n *companyNetwork) targets() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.connected...)
}

// bridgeAddress returns the address of this host in Docker's default network, which nodes reach.
func bridgeAddress(t *testing.T) netip.Addr {
	t.Helper()
	bridge, err := daemon.NetworkInspect(t.Context(), "bridge", network.InspectOptions{})
	if err != nil || len(bridge.IPAM.Config) == 0 {
		t.Fatalf("Docker's default network: %v", err)
	}
	subnet, err := netip.ParsePrefix(bridge.IPAM.Config[0].Subnet)
	if err != nil {
		t.Fatal(err)
	}
	return subnet.Masked().Addr().Next() // the gateway, which not every engine shows
}
