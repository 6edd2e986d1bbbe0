/** Messages made up for measuring: nobody's results. Segments end with CR. */

const bytesOf = (segments: readonly string[]): Uint8Array => Buffer.from(`${segments.join('\r')}\r`, 'utf8');

/** A negative NAAT of a person who asked for a certificate: one OBX. */
export const CERTIFICATE_MESSAGE: Uint8Array = bytesOf([
  'MSH|^~\\&|ANALYS|LAB^2321000016^L|SLUSS|COVIDBEVIS|20221114153000+0100||ORU^R01^ORU_R01|BENCH0001|P|2.5.1||||||UNICODE UTF-8',
  'PID|1||199708062386^^^&1.2.752.129.2.1.3.1&ISO^NNSWE||Lindström^Åsa^Maria||19970806|F',
  'OBR|1|P-4711|F-22-004711|94500-6^SARS-CoV-2 RNA^LN|||202211140830|||||||||||||||202211141500|||F||||||TESTBEVIS',
  'OBX|1|CWE|94500-6^SARS-CoV-2 RNA^LN||260415000^Ej påvisad^SCT||||||F|||202211140830',
  'SPM|1|^S-22-004711||258500001^Nasofarynxsekret^SCT|||||||||||||202211140830',
]);

/** The same with each of the rules met that leave out, refuse or hold it, and a few more that change what is made. */
export const CERTIFICATE_VARIANTS: readonly Uint8Array[] = varied(CERTIFICATE_MESSAGE, [
  ['|TESTBEVIS', '|'],
  ['||||||F|||', '||||||P|||'],
  ['||||||F|||', '||||||X|||'],
  ['|260415000^Ej påvisad^SCT|', '|419984006^Ej bedömbar^SCT|'],
  ['|260415000^Ej påvisad^SCT|', '|260415000^Ej påvisad^SCT~260415000^Ej påvisad^SCT|'],
  ['|20221114153000+0100|', '|202211140815|'],
  ['|20221114153000+0100|', '|20221114|'],
  ['|19970806|', '|19970907|'],
  ['|19970806|', '|19970906|'],
  ['|19970806|', '|1997|'],
  ['|19970806|', '|okänt|'],
  ['|F\rOBR', '|F\rPD1||||||||||||Y\rOBR'],
  ['SPM|1|^S-22-004711||258500001^Nasofarynxsekret^SCT|||||||||||||202211140830\r', ''],
  ['|202211140830\rSPM', '|202211140830|||Testet^NeuMoDx\rSPM'],
]);

/** 1.2 kB, six OBX of the kinds a chemistry laboratory sends: NM, SN, CWE, ST; with ORC, PV1, NTE and SPM. */
export const REPORT_MESSAGE: Uint8Array = bytesOf([
  'MSH|^~\\&|LABSYS|KEMLAB^1.2.752.99.1^ISO|SLUSS|JOURNAL|20240312101530||ORU^R01^ORU_R01|BENCH0002|P|2.5.1||||||UNICODE UTF-8',
  'PID|1||191212121212^^^&1.2.752.129.2.1.3.1&ISO^NNSWE||Tolvansson^Tolvan^T||19121212|M|||Storgatan 1^^Umeå^^90325^SE^H||090123456^PRN^PH',
  'PV1|1|O|MOTT^^^VC1||||3333^Läkare^Lena',
  'ORC|RE|P-100^REM|F-200^LAB||CM',
  'OBR|1|P-100^REM|F-200^LAB|KEM7^Klinisk kemi, rutin^L|||202403120815|||||||||3333^Läkare^Lena||||||20240312101000||CH|F',
  'OBX|1|NM|14749-6^P-Glukos^LN^NPU02192^P-Glukos^NPU||5.60|mmol/L^^UCUM|4.0-6.0|N|||F|||202403120815',
  'OBX|2|NM|2951-2^P-Natrium^LN^NPU03429^P-Natrium^NPU||151|mmol/L^^UCUM|137-145|H|||F|||202403120815',
  'OBX|3|SN|1988-5^P-CRP^LN^NPU19748^P-CRP^NPU||<^5|mg/L^^UCUM|<5||||F|||202403120815',
  'OBX|4|CWE|882-1^Blodgrupp^LN||112144000^A Rh\\T\\ pos^SCT||||||F|||202403120815',
  'OBX|5|ST|5778-6^Färg^LN||ljusgul, något grumlig||||||F',
  'NTE|1||Provet var hemolytiskt. Kaliumvärdet kan vara falskt förhöjt; nytt prov rekommenderas om värdet avviker.',
  'OBX|6|NM|2823-3^P-Kalium^LN^NPU03230^P-Kalium^NPU||4.1|mmol/L^^UCUM|3.5-5.0|N|||P|||202403120815',
  'SPM|1|^S-300&LAB||119297000^Venöst blod^SCT^B^Blod^L|||||||||||||202403120815|202403120930',
]);

/** The report with other fields filled in or left empty, so that what is compared is not one happy case. */
export const REPORT_VARIANTS: readonly Uint8Array[] = varied(REPORT_MESSAGE, [
  ['|M|||Storgatan', '|X|||Storgatan'],
  ['PV1|1|O|', 'PV1|1|I|'],
  ['||5.60|', '||5,60|'],
  ['|<^5|', '|>=^5|'],
  ['|151|', '|""|'],
  ['|202403120815|202403120930', '|202403310230^20240331|2024'],
  [
    'NTE|1||Provet var hemolytiskt. Kaliumvärdet kan vara falskt förhöjt; nytt prov rekommenderas om värdet avviker.',
    'NTE|1||Rad 1\\.br\\rad 2~rad 3',
  ],
  ['ORC|RE|P-100^REM|F-200^LAB||CM\r', ''],
  ['^Tolvan^T', '^Tolvan\\S\\a^T^^Dr^^L'],
  ['3333^Läkare^Lena||||||', '||||||'],
]);

/** A report with so many numeric results under one order. */
export function reportOf(results: number): Uint8Array {
  const text = Buffer.from(REPORT_MESSAGE).toString('utf8');
  const segments = text.split('\r').filter((segment) => !/^(?:OBX|NTE|$)/.test(segment));
  const [specimen = ''] = segments.splice(-1);
  const observations = Array.from({ length: results }, (_, index) => {
    const number = index + 1;
    return `OBX|${number}|NM|T${number}^Analys ${number}^L||${number}.50|mmol/L^^UCUM|4.0-6.0|N|||F|||202403120815`;
  });
  return bytesOf([...segments, ...observations, specimen]);
}

/** A message with one text replaced at a time. */
function varied(message: Uint8Array, replacements: readonly (readonly [from: string, to: string])[]): Uint8Array[] {
  const text = Buffer.from(message).toString('utf8');
  return replacements.map(([from, to]) => {
    if (!text.includes(from)) throw new Error(`Nothing to replace: ${from}`);
    return Buffer.from(text.replace(from, to), 'utf8');
  });
}
