package pf

import (
	"errors"
	"net/netip"
	"strings"
)

// table reads table <NAME> with its options and addresses.
func (p *parser) table() {
	p.take()
	t := Table{Pos: p.start}
	p.want("<")
	t.Name = p.want(kindString).text
	p.want(">")
	var parts []tablePart
options:
	for {
		switch p.peek() {
		case kindString:
			switch s := p.take().text; s {
			case "const":
				t.Const = true
			case "persist":
				t.Persist = true
			default:
				p.fail("invalid table option '%s'", s)
			}
		case "{":
			p.take()
			t.Init = true
			if p.got("}") {
				continue
			}
			hosts := p.hosts(0)
			for !p.got("}") {
				p.got(",")
				hosts = append(hosts, p.hosts(1)...)
			}
			p.checkTable(hosts)
			parts = append(parts, tablePart{hosts: hosts})
		case "file":
			p.take()
			t.Init = true
			parts = append(parts, tablePart{file: p.want(kindString).text, isFile: true})
		default:
			break options
		}
	}
	p.wantEnd()
	if len(t.Name) > maxTable {
		p.fail("table name too long, max %d chars", maxTable)
	}
	p.fillTable(&t, parts)
	p.file.Echo = append(p.file.Echo, tableLine(&t, parts))
	p.file.Tables = append(p.file.Tables, t)
}

// A tablePart is one pair of braces or one file of a table.
type tablePart struct {
	hosts  []hostNode
	file   string
	isFile bool
}

// checkTable complains of addresses that a table cannot hold.
func (p *parser) checkTable(hosts []hostNode) {
	for _, h := range hosts {
		switch h.addr.Kind {
		case AddrRange:
			p.fail("address ranges are not permitted inside tables")
		case AddrDynamic:
			p.fail("dynamic addresses are not permitted inside tables")
		case AddrTable:
			p.fail("tables cannot contain tables")
		case AddrNoRoute:
			p.fail("\"no-route\" is not permitted inside tables")
		case AddrURPF:
			p.fail("\"urpf-failed\" is not permitted inside tables")
		case AddrLabel:
			p.fail("unknown address type %d", 4)
		}
	}
}

func (p *parser) fillTable(t *Table, parts []tablePart) {
	for _, part := range parts {
		hosts := part.hosts
		if part.isFile {
			hosts = p.tableFile(part.file)
		}
		for _, h := range hosts {
			ip := h.addr.IP
			if !ip.IsValid() {
				ip = zeroIP(h.af)
			}
			if int(h.addr.Bits) > ip.BitLen() {
				p.fail("cannot create address buffer: Invalid argument")
			}
			t.Entries = append(t.Entries, TableEntry{h.not, netip.PrefixFrom(ip, int(h.addr.Bits))})
		}
	}
}

// tableFile reads the addresses in a file, one or more on a line, with # comments.
func (p *parser) tableFile(path string) (hosts []hostNode) {
	var data []byte
	err := errors.New("No such file or directory") //nolint:staticcheck // As the system says it.
	if p.host.Files != nil {
		data, err = p.host.Files(path)
	}
	if err != nil {
		p.errorf("cannot load \"%s\": %s", path, err)
		p.onMac()
		panic(abandon{})
	}
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		for _, word := range strings.Fields(line) {
			addr := strings.TrimLeft(word, "!")
			nodes := p.resolve(addr)
			if nodes == nil {
				p.fail("file \"%s\" contains bad data", path)
			}
			for _, n := range nodes {
				n.not = (len(word)-len(addr))%2 == 1
				hosts = append(hosts, n)
			}
		}
	}
	return hosts
}

// tableLine is the table as -v prints it. Braces that follow each other are printed as one pair.
func tableLine(t *Table, parts []tablePart) string {
	b := []byte("table <" + t.Name + ">")
	if t.Const {
		b = append(b, " const"...)
	}
	if t.Persist {
		b = append(b, " persist"...)
	}
	for i, part := range parts {
		if part.isFile {
			b = append(b, " file \""+part.file+"\""...)
			continue
		}
		if i == 0 || parts[i-1].isFile {
			b = append(b, " {"...)
		}
		for _, h := range part.hosts {
			b = append(b, ' ')
			if h.not {
				b = append(b, '!')
			}
			b = appendAddr(b, h.addr, h.af)
		}
		if i == len(parts)-1 || parts[i+1].isFile {
			b = append(b, " }"...)
		}
	}
	if t.Init && len(parts) == 0 {
		b = append(b, " { }"...)
	}
	return string(b)
}
