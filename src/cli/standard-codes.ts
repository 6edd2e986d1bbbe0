/**
 * Values of HL7's own tables, by the packaged table that is asked for them. A sender that uses them has no habit of its
 * own, and what the mapping makes of them, or does not, is decided: nobody need be asked.
 * @see HL7 v2.9 chapter 2C
 */
const STANDARD: Readonly<Record<string, string>> = {
  'absent-reasons': 'A B C D F I N O P R S U V W X',
  'address-type': 'B BA BDL BI BIR BR C EC F H HV L M MA N O OB P RH RHP S SH TM TMP V',
  'address-use': 'B BA BDL BI BIR BR C EC F H HV L M MA N O OB P RH RHP S SH TM TMP V',
  'address-vacation': 'B BA BDL BI BIR BR C EC F H HV L M MA N O OB P RH RHP S SH TM TMP V',
  'administrative-sex': 'A C F M N O U X',
  confidentiality: 'AID EMP ETH HIV PSY R U UWM V VIP',
  'diagnostic-sections':
    'AU BG BLB CG CH CP CT CTH CUS EC EN GE HM ICU IMG IMM LAB MB MCB MYC NMR NMS NRS OSL OT OTH OUS PF PHR PHY PT RAD RC RT RUS RX SP SR TX URN VR VUS XRC',
  'marital-status': 'A B C D E G I M N O P R S T U W',
  'name-order': 'F G I',
  'name-use': 'A B BAD C D F I K L M MSK N NAV NB NOUSE P R REL S SP T TEMP U',
  'observation-status': 'A B C D F I N O P R S U V W X',
  'order-control':
    'AF CA CH CN CP CR DC DE DF DR FU HD HR LI MC NA NR NW OC OD OE OF OH OK OP OR PA PR PY RE RF RL RO RP RQ RR RU SC SN SQ SR SS UA UC UD UF UH UM UN UR UX XO XR XX',
  'order-status': 'A CA CM DC ER HD IP RP SC',
  'order-types': 'I O',
  'patient-class': 'B C E I N O P R U',
  'patient-class-status': 'B C E I N O P R U',
  'report-status': 'A C F I M N O P R S X Y Z',
  'request-priority': 'A C P PRN R S T TD TH TL TM TN TS TW',
  'universal-id-types': 'CAP CLIA CLIP DNS EUI64 GUID HCD HL7 ISO L M N RANDOM URI UUID X400 X500',
  'yes-no': 'N Y',
};

const sets = new Map(Object.entries(STANDARD).map(([table, codes]) => [table, new Set(codes.split(' '))]));

/** True of a code that HL7's own table has for what a packaged table is asked for. */
export function isStandardCode(table: string, code: string): boolean {
  const asked = table === 'observation-categories' ? 'diagnostic-sections' : table;
  return sets.get(asked)?.has(code) ?? false;
}
