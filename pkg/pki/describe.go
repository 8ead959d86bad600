package pki

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Info is the content of a certificate, except what differs each time it is created: its key,
// serial number and signature.
type Info struct {
	// Subject and Issuer are distinguished names in the format of RFC 2253:
	// "CN=kubernetes-admin,O=system:masters".
	Subject, Issuer string
	IsCA            bool
	// Usages are the key usages, and then the extended ones, in OpenSSL's words in lower case.
	Usages              []string
	DNSNames            []string
	IPs                 []netip.Addr
	NotBefore, NotAfter time.Time
}

// Describe returns the content of a certificate. The PEM must contain exactly one certificate.
func Describe(certPEM []byte) (Info, error) {
	cert, err := parseCertificate(certPEM)
	if err != nil {
		return Info{}, fmt.Errorf("describing a certificate: %w", err)
	}
	return info(cert), nil
}

func info(cert *x509.Certificate) Info {
	info := Info{
		Subject:   cert.Subject.String(),
		Issuer:    cert.Issuer.String(),
		IsCA:      cert.IsCA,
		Usages:    usages(cert),
		DNSNames:  cert.DNSNames,
		NotBefore: cert.NotBefore.UTC(),
		NotAfter:  cert.NotAfter.UTC(),
	}
	for _, ip := range cert.IPAddresses {
		if addr, ok := netip.AddrFromSlice(ip); ok {
			info.IPs = append(info.IPs, addr)
		}
	}
	return info
}

// String returns one line for each fact, with a newline at its end. A certificate without names has
// no lines for them. The same request results in the same text, so that golden files can contain
// it.
func (i Info) String() string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-9s%s\n", name+":", value)
		}
	}
	line("subject", i.Subject)
	line("issuer", i.Issuer)
	if i.IsCA {
		line("CA", "yes")
	}
	line("usages", strings.Join(i.Usages, ", "))
	line("DNS", strings.Join(i.DNSNames, ", "))
	ips := make([]string, len(i.IPs))
	for n, ip := range i.IPs {
		ips[n] = ip.String()
	}
	line("IP", strings.Join(ips, ", "))
	line("from", stamp(i.NotBefore))
	line("to", stamp(i.NotAfter))
	return b.String()
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func usages(cert *x509.Certificate) []string {
	var names []string
	for _, usage := range []struct {
		bit  x509.KeyUsage
		name string
	}{
		{x509.KeyUsageDigitalSignature, "digital signature"},
		{x509.KeyUsageKeyEncipherment, "key encipherment"},
		{x509.KeyUsageCertSign, "certificate sign"},
		{x509.KeyUsageCRLSign, "CRL sign"},
	} {
		if cert.KeyUsage&usage.bit != 0 {
			names = append(names, usage.name)
		}
	}
	for _, usage := range cert.ExtKeyUsage {
		names = append(names, extUsageName(usage))
	}
	return names
}

func extUsageName(usage x509.ExtKeyUsage) string {
	switch usage {
	case x509.ExtKeyUsageServerAuth:
		return "server auth"
	case x509.ExtKeyUsageClientAuth:
		return "client auth"
	default:
		return fmt.Sprintf("extended usage %d", usage)
	}
}
