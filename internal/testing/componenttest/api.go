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

// API is as much of an API server as mkube asks for: health endpoints that are
// well, objects by their path, and what a test puts in place of them. An object
// that is posted is kept, and refused when it is there already; one that is applied
// is kept in any case. The zero value has no objects. Its methods may be called at once from many goroutines.
type API struct {
	// Cluster is the cluster whose API this is, where NewAPI made it.
	Cluster *cluster.Cluster

	mu       sync.Mutex
	objects  map[string]string
	handlers map[string]http.HandlerFunc
	created  []string
	applied  []string
}

// NewAPI is the API of a new cluster: Cluster.API reaches it.
func NewAPI(t *testing.T, cfg config.Cluster) *API {
	t.Helper()
	return NewAPIOf(t, cfg, new(fake.Provider))
}

// NewAPIOf is NewAPI with the nodes of a provider, whose Published it sets.
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

// Probed is a provider of nodes whose health endpoints answer well while code is 0.
func Probed(code *int) *fake.Provider {
	return &fake.Provider{Answer: func(args []string) (string, int, bool) { return "", *code, args[0] == "mkube-probe" }}
}

// Serve serves the API, with a certificate, to who has a client certificate of an
// authority, and returns its host:port. It ends with the test.
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

// Object puts an object, as JSON, at a path.
func (a *API) Object(path, object string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.put(path, object)
}

// put keeps an object. The caller holds mu.
func (a *API) put(path, object string) {
	if a.objects == nil {
		a.objects = map[string]string{}
	}
	a.objects[path] = object
}

// Handle puts a function in place of all that would be at a path; that of "/" is
// asked for every path without one.
func (a *API) Handle(path string, f http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.handlers == nil {
		a.handlers = map[string]http.HandlerFunc{}
	}
	a.handlers[path] = f
}

// Created are the paths of the objects that were posted, in order.
func (a *API) Created() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.created)
}

// At is the object at a path as JSON, "" for none.
func (a *API) At(path string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.objects[path]
}

// Applied are the paths of the objects that were applied, in order.
func (a *API) Applied() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.applied)
}

// ServeHTTP answers as an API server.
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

// Default answers from the objects, whatever was given to Handle.
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

// apply keeps what was applied in place of what was there.
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
	if !found { // decided and kept under one lock: clients create several at the same time
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
