import { describe, expect, it } from 'vitest'
import type { Attachment } from '@/api/types'
import { cidsShown, mailDocument, prepareMail } from '@/lib/mailHtml'

const picture: Attachment = { id: 'F1', filename: 'a.png', content_type: 'image/png', size: 1, inline: true, content_id: '<pic@1>', label: '' }
const inlineUrl = (file: Attachment): string => `/api/v1/attachments/${file.id}?inline=1`
const prepare = (html: string, remote = false) => prepareMail(html, [picture], inlineUrl, remote)

describe('a mail in its frame', () => {
  it('shows its own pictures', () => {
    expect(prepare('<img src="cid:pic@1">').body).toContain('src="/api/v1/attachments/F1?inline=1"')
    expect(prepare('<img src="cid:unknown">').body).not.toContain('src=')
  })
  it('holds back pictures from elsewhere until asked for, however they are written', () => {
    const html = '<img data-remote-src="https://x.example/p.gif"><img src="//y.example/q.gif">'
    expect(prepare(html)).toMatchObject({ remote: 2 })
    expect(prepare(html).body).not.toMatch(/\ssrc=/)
    expect(prepare(html, true).body).toContain(' src="https://x.example/p.gif"')
  })
  it('carries nothing that runs, loads or submits', () => {
    const { body } = prepare('<p>a</p><script>x</script><iframe src="b"></iframe><form><input></form><object></object><base href="https://x.example">')
    expect(body).toBe('<p>a</p>')
  })
  it('opens links elsewhere and tells them nothing', () => {
    expect(prepare('<a href="https://x.example">a</a>').body).toContain('target="_blank" rel="noopener noreferrer nofollow"')
  })
  it('forbids everything but our attachments, and other pictures only when asked for', () => {
    const mail = prepare('<p>a</p>')
    expect(mailDocument(mail, false, false, 'https://hub.test')).toContain("default-src 'none'; style-src 'unsafe-inline'; img-src https://hub.test/api/v1/attachments/ data:\"")
    expect(mailDocument(mail, false, true, 'https://hub.test')).toContain('data: https: http:')
  })
  it('gives coloured mail white paper in the dark, and plain mail dark paper', () => {
    expect(mailDocument(prepare('<p style="color:#111">a</p>'), true, false, '')).toContain('background:#fff')
    expect(mailDocument(prepare('<p>a</p>'), true, false, '')).toContain('color-scheme:dark')
  })
  it('knows which pictures stand in the text', () => expect(cidsShown('<img src="cid:a"><img src=\'cid:b%40c\'>')).toEqual(new Set(['a', 'b@c'])))
})
