package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Usage is the side of a TLS connection that a certificate is for.
type Usage int

const (
	// Server is for servers: kube-apiserver, a kubelet, etcd.
	Server Usage = iota + 1
	// Client is for clients: users and components.
	Client
	// Peer is for both sides, as the members of etcd need it between each other.
	Peer
)

// A Request is the requested content of a certificate.
type Request struct {
	// CommonName is required. Kubernetes uses the CommonName of a client as its user name, and the
	// Organizations as its groups:
	// https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates.
	CommonName    string
	Organizations []string
	// DNSNames and IPs are the names and addresses of a server. A Server or Peer needs at least
	// one. They keep their order, without duplicates.
	DNSNames []string
	IPs      []netip.Addr
	// Usage is required.
	Usage Usage
	// Now is the current time. The certificate is valid from five minutes before. If zero, it is
	// time.Now().
	Now time.Time
	// Validity is the time from Now to the end of the certificate. If 0, it is one year. No
	// certificate is valid before or after its authority.
	Validity time.Duration
}

// A KeyPair is a certificate and its private key, each in PEM. The key is an "EC PRIVATE KEY",
// which all components of Kubernetes and etcd can read.
type KeyPair struct {
	Cert, Key []byte
}

// ExpiredError is the error of Issue if the authority has expired.
type ExpiredError struct {
	// Authority is the distinguished name of the authority.
	Authority string
	On        time.Time
}

func (e *ExpiredError) Error() string {
	return fmt.Sprintf("the authority %q expired on %s", e.Authority, stamp(e.On))
}

// Issue creates a new key, and signs its certificate. The error contains everything that is wrong
// with the request. If the authority has expired, it is an *ExpiredError.
func (a *Authority) Issue(r Request) (KeyPair, error) {
	template, err := a.template(r)
	if err != nil {
		return KeyPair{}, fmt.Errorf("issuing the certificate of %q: %w", r.CommonName, err)
	}
	pair, err := a.issue(template)
	if err != nil {
		return KeyPair{}, fmt.Errorf("issuing the certificate of %q: %w", r.CommonName, err)
	}
	return pair, nil
}

func (a *Authority) issue(template *x509.Certificate) (KeyPair, error) {
	key, err := newKey()
	if err != nil {
		return KeyPair{}, err
	}
	cert, err := sign(template, a.cert, key.Public(), a.key)
	if err != nil {
		return KeyPair{}, err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return KeyPair{}, err
	}
	return KeyPair{Cert: encodeCertificate(cert), Key: keyPEM}, nil
}

func (a *Authority) template(r Request) (*x509.Certificate, error) {
	begin, end, timeErr := a.period(r)
	if err := errors.Join(r.check(), timeErr); err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		Subject:               pkix.Name{CommonName: r.CommonName, Organization: r.Organizations},
		NotBefore:             begin,
		NotAfter:              end,
		BasicConstraintsValid: true,
		// An ECDSA key can only sign. Key encipherment is for RSA: RFC 8813, section 3.
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: r.Usage.extKeyUsages(),
		DNSNames:    once(r.DNSNames),
	}
	for _, ip := range unmapped(r.IPs) {
		t.IPAddresses = append(t.IPAddresses, net.IP(ip.AsSlice()))
	}
	return t, nil
}

// unmapped returns addresses in the form that a certificate can contain: without zones, and without
// IPv4 addresses in IPv6 form.
func unmapped(ips []netip.Addr) []netip.Addr {
	var plain []netip.Addr
	for _, ip := range ips {
		plain = append(plain, ip.Unmap().WithZone(""))
	}
	return once(plain)
}

// period returns the validity period of a certificate. It is within that of the authority, because
// no verifier accepts the certificate outside it.
func (a *Authority) period(r Request) (begin, end time.Time, err error) {
	now, validity := r.Now, r.Validity
	if now.IsZero() {
		now = time.Now()
	}
	if validity < 0 {
		return begin, end, fmt.Errorf("its validity is negative: %s", validity)
	}
	if validity == 0 {
		validity = certificateValidity
	}
	begin, end = now.Add(-Backdate), now.Add(validity)
	if now.After(a.cert.NotAfter) {
		return begin, end, &ExpiredError{a.cert.Subject.String(), a.cert.NotAfter}
	}
	if end.Before(a.cert.NotBefore) {
		return begin, end, fmt.Errorf("the authority %q is not valid until %s", a.cert.Subject, stamp(a.cert.NotBefore))
	}
	if begin.Before(a.cert.NotBefore) {
		begin = a.cert.NotBefore
	}
	if end.After(a.cert.NotAfter) {
		end = a.cert.NotAfter
	}
	return begin, end, nil
}

func (r Request) check() error {
	var errs []error
	if r.CommonName == "" {
		errs = append(errs, errors.New("its common name is empty"))
	}
	if r.Usage < Server || r.Usage > Peer {
		errs = append(errs, errors.New("its usage is none of server, client and peer"))
	}
	if (r.Usage == Server || r.Usage == Peer) && len(r.DNSNames)+len(r.IPs) == 0 {
		// Since Go 1.15, a common name is not used as a host name: RFC 6125, section 6.4.4.
		errs = append(errs, errors.New("a server needs a DNS name or an IP address to be verified by"))
	}
	if slices.Contains(r.DNSNames, "") {
		errs = append(errs, errors.New("one of its DNS names is empty"))
	}
	if slices.ContainsFunc(r.IPs, func(ip netip.Addr) bool { return !ip.IsValid() }) {
		errs = append(errs, errors.New("one of its IP addresses is not set"))
	}
	if slices.Contains(r.Organizations, "") {
		errs = append(errs, errors.New("one of its organizations is empty"))
	}
	return errors.Join(errs...)
}

func (u Usage) extKeyUsages() []x509.ExtKeyUsage {
	switch u {
	case Server:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	case Client:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	default:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
}

// once removes duplicates, and keeps the first of equal values.
func once[T comparable](all []T) []T {
	var kept []T
	for _, one := range all {
		if !slices.Contains(kept, one) {
			kept = append(kept, one)
		}
	}
	return kept
}
