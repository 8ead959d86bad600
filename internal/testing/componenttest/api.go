package componenttest

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path"
	"slices"
	"sync"
	"testing"

	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/pki"
)

// ReadyPod is a pod that is Ready.
const ReadyPod = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"pod"},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}`

// API is the part of an API server that mkube uses: health endpoints, objects by their path, and
// handlers of a test. It stores an object that is posted, unless it exists already. It stores an
// object that is applied in any case. The zero value has no objects. Its methods are safe for
// concurrent use.
type API struct {
	// Cluster is the cluster of this API, if NewAPI or NewAPIOf created it.
	Cluster *cluster.Cluster

	mu       sync.Mutex
	objects  map[string]string
	handlers map[string]http.HandlerFunc
	created  []string
	applied  []string
}

// NewAPI returns the API of a new cluster, which Cluster.API reaches.
func NewAPI(t *testing.T, cfg config.Cluster) *API {
	t.Helper()
	return NewAPIOf(t, cfg, new(fake.Provider))
}

// NewAPIOf is NewAPI with the nodes of a provider. It sets Published of the provider.
func NewAPIOf(t *testing.T, cfg config.Cluster, p *fake.Provider) *API {
	t.Helper()
	a := new(API)
	endpoint := ""
	p.Published = func(*fake.Node, int) (string, error) { return endpoint, nil }
	a.Cluster = ClusterOf(t, cfg, p)
	keys := a.Cluster.PKI
	pair, err := keys.Issue(keys.Cluster, pki.Request{
		CommonName: "kube-apiserver", IPs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Usage: pki.Server,
	})
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err = a.Serve(t, pair.Cert, pair.Key, keys.Cluster.CertPEM())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Probed returns a provider of nodes whose health endpoints are healthy while code is 0.
func Probed(code *int) *fake.Provider {
	return &fake.Provider{Answer: func(args []string) (string, int, bool) { return "", *code, args[0] == "mkube-probe" }}
}

// Serve serves the API with a certificate, to clients with a certificate of an authority, and
// returns its host:port. The server stops at the end of the test.
func (a *API) Serve(t *testing.T, cert, key, clientCA []byte) (string, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return "", err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(clientCA)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: a, ErrorLog: log.New(io.Discard, "", 0)}}
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)
	return l.Addr().String(), nil
}

// Object stores an object, as JSON, at a path.
func (a *API) Object(path, object string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.put(path, object)
}

// put stores an object. The caller must hold mu.
func (a *API) put(path, object string) {
	if a.objects == nil {
		a.objects = map[string]string{}
	}
	a.objects[path] = object
}

// Handle sets a function that answers all requests for a path, instead of the objects. The
// function of "/" answers for every path without one.
func (a *API) Handle(path string, f http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.handlers == nil {
		a.handlers = map[string]http.HandlerFunc{}
	}
	a.handlers[path] = f
}

// Created returns the paths of the objects that were posted, in order.
func (a *API) Created() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.created)
}

// At returns the object at a path as JSON, or "".
func (a *API) At(path string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.objects[path]
}

// Applied returns the paths of the objects that were applied, in order.
func (a *API) Applied() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.applied)
}

// ServeHTTP answers as an API server does.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	handler := a.handlers[r.URL.Path]
	if handler == nil {
		handler = a.handlers["/"]
	}
	a.mu.Unlock()
	if handler != nil {
		handler(w, r)
		return
	}
	a.Default(w, r)
}

// Default answers from the objects, and ignores the functions of Handle.
func (a *API) Default(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	object, found := a.objects[r.URL.Path]
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.Method == http.MethodPost:
		a.post(w, r)
	case r.Method == http.MethodPatch && r.Header.Get("Content-Type") == "application/apply-patch+yaml":
		a.apply(w, r)
	case found:
		io.WriteString(w, object)
	case slices.Contains([]string{"/readyz", "/livez", "/healthz", "/version"}, r.URL.Path):
		io.WriteString(w, "ok")
	default:
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"could not find `+r.URL.Path+`"}`)
	}
}

// apply replaces the object with the one that was applied.
func (a *API) apply(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	a.applied = append(a.applied, r.URL.Path)
	a.mu.Unlock()
	a.Object(r.URL.Path, string(body))
	w.Write(body)
}

func (a *API) post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var object struct{ Metadata struct{ Name string } }
	if err != nil || json.Unmarshal(body, &object) != nil || object.Metadata.Name == "" {
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"BadRequest","code":400,"message":"no object"}`)
		return
	}
	at := path.Join(r.URL.Path, object.Metadata.Name)
	a.mu.Lock()
	_, found := a.objects[at]
	if !found { // checked and stored under one lock, because clients create several at the same time
		a.created = append(a.created, at)
		a.put(at, string(body))
	}
	a.mu.Unlock()
	if found {
		w.WriteHeader(http.StatusConflict)
		io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"AlreadyExists","code":409,"message":"exists"}`)
		return
	}
	w.WriteHeader(http.StatusCreated)
	w.Write(body)
}
